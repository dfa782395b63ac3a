"""The common part of all entry scripts: arguments that are checked first, and one Spark session."""

import argparse
import logging
import os
import re
import sys
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any, NoReturn

from retailflow.environments import Environment, load_environment
from retailflow.release import ReleaseError, refuse_other

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


@dataclass(frozen=True)
class Run:
    """A run of a job: what it must do, and who submitted it. Outside Airflow `dag_run_id` and `try_number` are None."""

    environment: Environment | None
    layer: str
    name: str
    date: date
    dag_run_id: str | None
    try_number: int | None
    databricks_run_id: str
    started_at: datetime

    @classmethod
    def alone(cls, layer: str, name: str, date: date) -> "Run":
        """Return a run without a job, for a repair, a test or a benchmark."""
        return cls(None, layer, name, date, None, None, f"none-{uuid.uuid4()}", datetime.now(UTC))


@contextmanager
def spark_session() -> Iterator["SparkSession"]:
    """Yield the session of this run: the platform's own, or a Spark Connect session if SPARK_REMOTE names a server."""
    from pyspark.sql import SparkSession

    # pyspark logs each failed query, even where we expect and handle the error. Any other error ends the run anyway.
    for name in ("SQLQueryContextLogger", "DataFrameQueryContextLogger"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
    spark = SparkSession.builder.getOrCreate()
    spark.conf.set("spark.sql.session.timeZone", "UTC")
    try:
        yield spark
    finally:
        if "SPARK_REMOTE" in os.environ:  # never stop the session of a cluster
            spark.stop()


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        """Exit with the message itself, so that it becomes the error of the run."""
        sys.exit(message)


def arguments(layer: str, kind: str | None = None, names: Sequence[str] = (), argv: list[str] | None = None) -> Run:
    """Parse `--env E --<kind> N --date YYYY-MM-DD` and the ids of the run. Exits with a message if one is invalid.

    A layer whose job works on all tables at once has no `kind`.
    """
    wanted = {kind: one_of(kind, names)} if kind else {}
    parser = _parser({**wanted, "date": ingestion_date})
    parser.add_argument("--dag-run", type=_sentence(_form("Airflow run id", r"[\w.:+~/-]{1,250}")))
    parser.add_argument("--try", dest="try_number", type=_sentence(_form("try number", r"\d{1,6}")))
    parser.add_argument("--run-id", type=_sentence(databricks_run_id))
    given = parser.parse_args(argv)
    return Run(
        environment=given.env,
        layer=layer,
        name=getattr(given, kind) if kind else layer,
        date=given.date,
        dag_run_id=given.dag_run,
        try_number=int(given.try_number) if given.try_number else None,
        databricks_run_id=given.run_id or f"none-{uuid.uuid4()}",
        started_at=datetime.now(UTC),
    )


def options(wanted: Mapping[str, Callable[[str], Any]], argv: list[str] | None = None) -> argparse.Namespace:
    """Parse `--env E` and the wanted options, each with its converter. Exits with a message if one is invalid.

    `--release V` is invalid if the running code belongs to another release.
    """
    return _parser(wanted).parse_args(argv)


def _parser(wanted: Mapping[str, Callable[[str], Any]]) -> _Parser:
    parser = _Parser()
    parser.add_argument("--release", type=_sentence(refuse_other))
    for name, convert in {"env": load_environment, **wanted}.items():
        parser.add_argument(f"--{name}", required=True, type=_sentence(convert))
    return parser


def ingestion_date(text: str) -> date:
    """Parse YYYY-MM-DD, or `before YYYY-MM-DD`, which means the day before.

    A Databricks job knows the date of its run but cannot subtract a day.

    Raises: ValueError, which names the expected form.
    """
    if found := re.fullmatch(r"(before )?(\d{4}-\d{2}-\d{2})", text):
        try:
            return date.fromisoformat(found[2]) - timedelta(days=1 if found[1] else 0)
        except (ValueError, OverflowError):
            pass
    raise ValueError(f"{text!r} is not a date; write it as YYYY-MM-DD, for example 2026-01-15")


def one_of(kind: str, choices: Sequence[str]) -> Callable[[str], str]:
    """Return a converter that accepts one of the choices and returns it unchanged."""

    def check(text: str) -> str:
        if text not in choices:
            raise ValueError(f"{text!r} is not a known {kind}; known are {', '.join(choices)}")
        return text

    return check


def _form(kind: str, pattern: str) -> Callable[[str], str]:
    def check(text: str) -> str:
        if not re.fullmatch(pattern, text):
            raise ValueError(f"{text!r} is no {kind}")
        return text

    return check


def digests(text: str) -> list[str]:
    """Parse comma-separated SHA-256 of ids, or `none`. Raises: ValueError."""
    return [] if text == "none" else [_sha256(part) for part in text.split(",")]


def confirmation(text: str) -> str | None:
    """Parse the confirmation code that `erase_find.py` printed, or `none`. Raises: ValueError."""
    return None if text == "none" else _code(text)


def hours(text: str) -> int:
    """Parse whole hours, at most four digits. Raises: ValueError."""
    return int(_hours(text))


_sha256 = _form("SHA-256 in hexadecimal", r"[0-9a-f]{64}")
_code = _form("confirmation, as the task find prints one", r"[0-9a-f]{12}")
_hours = _form("number of hours", r"\d{1,4}")
databricks_run_id = _form("Databricks run id", r"\d{1,20}")


def _sentence(convert: Callable) -> Callable:
    """Wrap a converter so that argparse shows its message: argparse does so only for ArgumentTypeError."""

    def converted(text: str):
        try:
            return convert(text)
        except (ValueError, ReleaseError) as error:
            raise argparse.ArgumentTypeError(str(error)) from None

    return converted
