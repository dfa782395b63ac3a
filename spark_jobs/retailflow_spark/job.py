"""What every entry script shares: arguments checked before anything runs, one Spark session, an honest end."""

import argparse
import os
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date
from typing import TYPE_CHECKING, NoReturn

from retailflow.environments import Environment, load_environment

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


@contextmanager
def spark_session() -> Iterator["SparkSession"]:
    """The session of this run: the platform's own, or a Spark Connect one where SPARK_REMOTE names a server."""
    from pyspark.sql import SparkSession

    spark = SparkSession.builder.getOrCreate()
    spark.conf.set("spark.sql.session.timeZone", "UTC")
    try:
        yield spark
    finally:
        if "SPARK_REMOTE" in os.environ:  # a cluster's own session is not ours to stop
            spark.stop()


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        """End with the sentence itself, so that it is what the run's error says."""
        sys.exit(message)


def arguments(name: str, choices: list[str], argv: list[str] | None = None) -> tuple[Environment, str, date]:
    """`--env E --<name> N --date YYYY-MM-DD`, each of what is allowed. Ends the process with a sentence otherwise."""
    parser = _Parser()
    parser.add_argument("--env", required=True, type=_sentence(load_environment))
    parser.add_argument(f"--{name}", required=True, dest="name", type=_sentence(_one_of(name, choices)))
    parser.add_argument("--date", required=True, type=_sentence(ingestion_date))
    given = parser.parse_args(argv)
    return given.env, given.name, given.date


def ingestion_date(text: str) -> date:
    """Raises: ValueError saying the form a date has."""
    if re.fullmatch(r"\d{4}-\d{2}-\d{2}", text):
        try:
            return date.fromisoformat(text)
        except ValueError:
            pass
    raise ValueError(f"{text!r} is not a date; write it as YYYY-MM-DD, for example 2026-01-15")


def _one_of(kind: str, choices: list[str]) -> Callable[[str], str]:
    def check(text: str) -> str:
        if text not in choices:
            raise ValueError(f"{text!r} is not a known {kind}; known are {', '.join(choices)}")
        return text

    return check


def _sentence(convert: Callable) -> Callable:
    """argparse shows the message of this error only."""

    def converted(text: str):
        try:
            return convert(text)
        except ValueError as error:
            raise argparse.ArgumentTypeError(str(error)) from None

    return converted
