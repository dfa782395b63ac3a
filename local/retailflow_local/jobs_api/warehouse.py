"""The local SQL warehouse: it runs queries on the Spark Connect server, and nothing but queries.

The first query imports Spark, so a server without queries stays small.
"""

import json
import re
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Any

from retailflow_local.jobs_api.errors import invalid
from retailflow_local.spark_client import close_session, open_session

if TYPE_CHECKING:
    from pyspark.errors import PySparkException
    from pyspark.sql import SparkSession

_FIRST_WORD = re.compile(r"(?:\s|--[^\n]*(?:\n|$)|/\*.*?\*/)*(\w+|\()", re.DOTALL)
_QUERIES = ("SELECT", "WITH", "VALUES", "(")
_LARGEST_RESULT = 25 * 2**20  # Databricks' own limit of an inline result, in bytes
# For each type of a parameter: the function that reads its value from text, and the form of its literal in SQL.
_LITERALS: dict[str, tuple[Callable[[str], Any], str]] = {
    "STRING": (lambda text: text.replace("\\", "\\\\").replace("'", "\\'"), "'{}'"),
    "INT": (int, "{}"),
    "BIGINT": (int, "{}L"),
    "DECIMAL": (Decimal, "{:f}BD"),
    "DATE": (date.fromisoformat, "DATE'{}'"),
    "TIMESTAMP": (datetime.fromisoformat, "TIMESTAMP'{}'"),
    "BOOLEAN": ({"true": True, "false": False}.__getitem__, "{}"),
}
_SETTINGS = {
    "spark.sql.session.timeZone": "UTC",
    "spark.sql.variable.substitute": "false",  # ${…} in a text is text
    # Delta's parser drops the values that Spark 4.1 inserts before parsing (delta-io/delta#7640). Insert them after it.
    "spark.sql.legacy.parameterSubstitution.constantsOnly": "true",
}
# Spark's error for a session that it no longer knows, and its client's error for a server that is gone.
_GONE = ("INVALID_HANDLE", "RETRIES_EXCEEDED")


@dataclass(frozen=True)
class Result:
    """The columns as Databricks describes them, and the rows with each value as text or None."""

    columns: list[dict[str, Any]]
    rows: list[list[str | None]]
    is_truncated: bool


class QueryError(Exception):
    """Spark refused the query, or it failed. `code` is one of Databricks' error codes for statements."""

    def __init__(self, code: str, message: str, sql_state: str | None = None) -> None:
        super().__init__(message)
        self.code, self.message, self.sql_state = code, message, sql_state


def query_of(statement: str) -> str:
    """Return the statement as a subquery. There SQL's grammar allows only a query, whatever the statement contains.

    Raises:
        ApiError: 400; the statement does not begin like a query.
    """
    first = _FIRST_WORD.match(statement)
    if first is None or first[1].upper() not in _QUERIES:
        raise invalid("The local warehouse runs queries only: a statement begins with SELECT, WITH or VALUES")
    return f"SELECT * FROM (\n{statement.rstrip().rstrip(';')}\n)"


def literal(name: str, value: str | None, type_name: str) -> str:
    """Return a parameter's value as a literal. Raises: ApiError, 400, with the parameter, if its type is wrong."""
    base = type_name.partition("(")[0].strip().upper()
    if base not in _LITERALS:
        raise invalid(f"parameters: {name} has type {type_name!r}; allowed are {', '.join(_LITERALS)}")
    convert, form = _LITERALS[base]
    try:
        return f"CAST(NULL AS {base})" if value is None else form.format(convert(value))
    except (ValueError, KeyError, InvalidOperation):
        raise invalid(f"parameters: {name} {value!r} is not a {base}") from None


def bound(query: str, literals: Mapping[str, str]) -> str:
    """Return the query with values for its markers `:name`. `_SETTINGS` says why Spark Connect's own way fails."""
    if not literals:
        return query
    values = ", ".join(f"{value} AS {name}" for name, value in literals.items())
    return f"EXECUTE IMMEDIATE decode(X'{query.encode().hex()}', 'UTF-8') USING {values}"


class Warehouse:
    """Sessions on one Spark Connect server, one per default schema. They are kept as long as that server lives."""

    def __init__(self, remote: str | None) -> None:
        self._remote = remote
        self._lock = threading.Lock()
        self._sessions: dict[str | None, SparkSession] = {}

    def run(self, query: str, schema: str | None, tag: str, limit: int | None) -> Result:
        """Run a query and return its result. After a restart of the server it is sent again, in a new session.

        Raises: QueryError.
        """
        if self._remote is None:
            raise QueryError("TEMPORARILY_UNAVAILABLE", "The local workspace was started without --spark-remote")
        from pyspark.errors import PySparkException

        for is_last in (False, True):
            try:
                return _collect(self._session(schema), query, tag, limit)
            except PySparkException as error:
                if is_last or _is_refused(error):
                    raise _failure(error) from error
                for session in self._forget():
                    close_session(session, is_server_gone=True)
        raise AssertionError

    def interrupt(self, tag: str) -> None:
        """End the query with that tag, if it is still running."""
        with self._lock:
            sessions = list(self._sessions.values())
        for session in sessions:
            session.interruptTag(tag)

    def close(self) -> None:
        for session in self._forget():
            close_session(session)

    def _forget(self) -> list["SparkSession"]:
        with self._lock:
            sessions, self._sessions = list(self._sessions.values()), {}
        return sessions

    def _session(self, schema: str | None) -> "SparkSession":
        with self._lock:
            if schema not in self._sessions:
                session = open_session(self._remote, is_serverless=False)
                for name, value in _SETTINGS.items():
                    session.conf.set(name, value)
                if schema is not None:
                    session.catalog.setCurrentDatabase(schema)
                self._sessions[schema] = session
            return self._sessions[schema]


def _collect(session: "SparkSession", query: str, tag: str, limit: int | None) -> Result:
    session.addTag(tag)
    try:
        frame = session.sql(query)
        table = (frame if limit is None else frame.limit(limit + 1)).toArrow()
        columns = [_column(position, field) for position, field in enumerate(frame.schema.fields)]
    finally:
        session.removeTag(tag)
    # Not `nbytes`: pyarrow 26 crashes on a column of lists without rows, as Spark sends it.
    if table.get_total_buffer_size() > _LARGEST_RESULT:
        raise QueryError("BAD_REQUEST", f"The result is larger than {_LARGEST_RESULT // 2**20} MiB; ask for less")
    kept = table if limit is None else table.slice(0, limit)
    texts = ([_text(value) for value in column.to_pylist(maps_as_pydicts="strict")] for column in kept.columns)
    return Result(columns, [list(row) for row in zip(*texts, strict=True)], kept.num_rows < table.num_rows)


def _column(position: int, field: Any) -> dict[str, Any]:
    from pyspark.sql.types import DecimalType

    kind = field.dataType
    described = {
        "name": field.name,
        "position": position,
        "type_text": kind.simpleString().upper(),
        "type_name": {"INTEGER": "INT", "VOID": "NULL"}.get(kind.typeName().upper(), kind.typeName().upper()),
    }
    if isinstance(kind, DecimalType):
        described |= {"type_precision": kind.precision, "type_scale": kind.scale}
    return described


def _text(value: Any) -> str | None:
    """Return a value as Databricks writes it: a scalar as text, a nested value as JSON of these texts."""
    plain = _plain(value)
    return json.dumps(plain, ensure_ascii=False, separators=(",", ":")) if isinstance(plain, list | dict) else plain


def _plain(value: Any) -> Any:
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, list):
        return [_plain(item) for item in value]
    if isinstance(value, dict):
        return {_text(name): _plain(item) for name, item in value.items()}
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, datetime):
        precision = "microseconds" if value.microsecond % 1000 else "milliseconds"
        return value.replace(tzinfo=None).isoformat(timespec=precision) + "Z"  # the session is in UTC
    return f"{value:f}" if isinstance(value, Decimal) else str(value)


def _is_refused(error: "PySparkException") -> bool:
    """Return whether Spark answered with an error. Otherwise its server is gone, or a new one has replaced it."""
    condition = error.getCondition()
    return condition is not None and not condition.startswith(_GONE)


def _failure(error: "PySparkException") -> QueryError:
    code = "BAD_REQUEST" if _is_refused(error) else "TEMPORARILY_UNAVAILABLE"
    return QueryError(code, str(error).partition("JVM stacktrace")[0].strip(), error.getSqlState())
