"""The rules of serverless compute, which refuses settings, caches, and views that all sessions share.

Databricks enforces them on the server. Here the session's own client does. Open-source Spark accepts these rules only
as Java classes, and a proxy in front of the server would copy every row. A job cannot bypass the rules by accident: its
process has them before its script starts, for every session that it opens (docs/adr/0017).
"""

import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pyspark.errors import AnalysisException
    from pyspark.sql.connect.client.core import SparkConnectClient

# docs.databricks.com/en/spark/conf: "Configure Spark properties for serverless notebooks and jobs".
SETTINGS = frozenset(
    {
        "spark.databricks.execution.timeout",
        "spark.sql.ansi.enabled",
        "spark.sql.files.maxPartitionBytes",
        "spark.sql.legacy.timeParserPolicy",
        "spark.sql.session.timeZone",
        "spark.sql.shuffle.partitions",
    }
)
# Settings that pyspark's client itself reads, as on Databricks: how to send rows, show a frame, report an error.
_READ_BY_THE_CLIENT = re.compile(
    r"spark\.sql\.(timestampType|session\.localRelation\w+|connect\.serverStacktrace\.enabled)"
    r"|spark\.sql\.(execution\.(arrow|pandas|pyspark|pythonUDT?F)|pyspark|repl\.eagerEval)\..+"
    r"|spark\.(connect\.session\.planCompression|python\.sql\.dataFrameDebugging)\.\w+"
)
_BLANK = r"(?:\s|--[^\n]*(?:\n|$)|/\*.*?\*/)*"
_SETS = re.compile(rf"{_BLANK}(?:RE)?SET\b(?!\s+(?:TIME\s+ZONE|VAR|VARIABLE|CATALOG)\b)\s*`?([^\s=`;]*)", re.I | re.S)
_STATEMENTS = {
    re.compile(f"{_BLANK}{pattern}\\b", re.I | re.S): name
    for pattern, name in (
        (r"CACHE\s+(LAZY\s+)?TABLE", "CACHE TABLE"),
        (r"UNCACHE\s+TABLE", "UNCACHE TABLE"),
        (r"CLEAR\s+CACHE", "CLEAR CACHE"),
        (r"REFRESH\s+TABLE", "REFRESH TABLE"),
        (r"CREATE\s+(OR\s+REPLACE\s+)?GLOBAL\s+TEMP(ORARY)?\s+VIEW", "GLOBAL TEMPORARY VIEW"),
    )
}
# The names of requests in Spark Connect, and those in Databricks' messages.
_REQUESTS = {
    "persist": "PERSIST TABLE",
    "unpersist": "UNPERSIST TABLE",
    "cache_table": "CACHE TABLE",
    "uncache_table": "UNCACHE TABLE",
    "clear_cache": "CLEAR CACHE",
    "refresh_table": "REFRESH TABLE",
}


def enforce_everywhere() -> None:
    """Enforce the rules in every session that this process opens from now on."""
    from pyspark.sql.connect.client.core import SparkConnectClient

    create = SparkConnectClient.__init__

    def create_with_rules(self: "SparkConnectClient", *arguments: Any, **options: Any) -> None:
        create(self, *arguments, **options)
        enforce(self)

    SparkConnectClient.__init__ = create_with_rules


def enforce(client: "SparkConnectClient") -> None:
    """Enforce the rules in the session of this client."""
    rules = {"Config": _check_settings, "AnalyzePlan": _check_analysis, "ExecutePlan": _check_plan}
    for name, check in rules.items():
        setattr(client._stub, name, _checked(getattr(client._stub, name), check))


def _checked(call: Callable[..., Any], check: Callable[[Any], None]) -> Callable[..., Any]:
    def checked(request: Any, **options: Any) -> Any:
        check(request)
        return call(request, **options)

    return checked


def _check_settings(request: Any) -> None:
    kind = request.operation.WhichOneof("op_type")
    if kind == "get_all":
        raise _unavailable("*")
    asked = getattr(request.operation, kind)
    keys = asked.keys if hasattr(asked, "keys") else [pair.key for pair in asked.pairs]
    for key in keys:
        is_read = kind in ("get", "get_with_default", "get_option")
        if key not in SETTINGS and not (is_read and _READ_BY_THE_CLIENT.fullmatch(key)):
            raise _unavailable(key)


def _check_analysis(request: Any) -> None:
    if name := _REQUESTS.get(request.WhichOneof("analyze")):
        raise _unsupported(name)


def _check_plan(request: Any) -> None:
    command = request.plan.command
    kind = command.WhichOneof("command_type")
    if kind == "sql_command":
        relation = command.sql_command.input
        check_statement(relation.with_relations.root.sql.query or relation.sql.query)
    elif kind == "create_dataframe_view" and command.create_dataframe_view.is_global:
        raise _unsupported("GLOBAL TEMPORARY VIEW")
    elif kind == "checkpoint_command" and not command.checkpoint_command.local:
        raise _unsupported("CHECKPOINT")
    elif name := _REQUESTS.get(request.plan.root.catalog.WhichOneof("cat_type")):
        raise _unsupported(name)


def check_statement(query: str) -> None:
    """Check an SQL statement. Raises: AnalysisException if serverless compute refuses it."""
    if (found := _SETS.match(query)) and found[1] not in SETTINGS:
        raise _unavailable(found[1] or "*")
    for pattern, name in _STATEMENTS.items():
        if pattern.match(query):
            raise _unsupported(name)


def _unavailable(key: str) -> "AnalysisException":
    return _refusal("CONFIG_NOT_AVAILABLE", f"Configuration {key} is not available.", "42K0I")


def _unsupported(name: str) -> "AnalysisException":
    return _refusal("NOT_SUPPORTED_WITH_SERVERLESS", f"{name} is not supported on serverless compute.", "0A000")


def _refusal(condition: str, sentence: str, state: str) -> "AnalysisException":
    from pyspark.errors.exceptions.connect import AnalysisException

    return AnalysisException(f"[{condition}] {sentence} SQLSTATE: {state}", errorClass=condition, sql_state=state)
