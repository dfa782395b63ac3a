"""Queries the environment's SQL warehouse, through the connection that also submits our jobs."""

import json
import re
import time
from collections.abc import Callable
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from airflow.providers.databricks.hooks.databricks import DatabricksHook

from retailflow.environments import Environment, load_environment

_STATEMENTS = "2.0/sql/statements"
_PATIENCE_SECONDS = 120  # a stopped serverless warehouse starts within seconds, a classic one within minutes
_POLL_SECONDS = 1
_PARAMETER_TYPES = {str: "STRING", int: "BIGINT", date: "DATE"}
_SCALARS: dict[str, Callable[[str], Any]] = {
    **dict.fromkeys(("TINYINT", "SMALLINT", "INT", "BIGINT"), int),
    **dict.fromkeys(("FLOAT", "DOUBLE"), float),
    "BOOLEAN": lambda text: text == "true",
    "DATE": date.fromisoformat,
    "DECIMAL": Decimal,
    "TIMESTAMP": datetime.fromisoformat,
}
_NESTED = re.compile(r"(ARRAY|MAP)<(?:STRING, ?)?(.*)>", re.IGNORECASE)


class WarehouseError(RuntimeError):
    """A statement failed, was canceled, or did not end in time. The message has the warehouse's own message."""


class Warehouse:
    """The SQL warehouse of an environment: Databricks in the cloud, the local workspace on a laptop.

    `patience_seconds` is the limit of one query, including the start of the warehouse.
    """

    def __init__(self, env: Environment | None = None, patience_seconds: float = _PATIENCE_SECONDS) -> None:
        self._env = env or load_environment()
        self._patience_seconds = patience_seconds
        self._hook = DatabricksHook()

    def rows(self, statement: str, **parameters: str | int | date) -> list[dict[str, Any]]:
        """Return the rows of a query, each as a dict: `rows("SELECT … WHERE ingestion_date = :day", day=day)`.

        Values are int, float, bool, str, date, datetime with time zone, Decimal, or None. An ARRAY is a list and a MAP
        with text keys is a dict of these values; a STRUCT is a dict of texts. A table name without a catalog refers to
        the environment's catalog.

        Raises:
            WarehouseError: the statement failed, was canceled, or did not end in time.
            AirflowException: Databricks does not answer, or refuses the request.
        """
        request = {
            "statement": statement,
            "warehouse_id": self._env.warehouse_id,
            "catalog": self._env.catalog,
            "parameters": [_parameter(name, value) for name, value in parameters.items()],
            "wait_timeout": "10s",
        }
        answer = self._ended(self._call("POST", _STATEMENTS, request))
        columns = answer["manifest"]["schema"].get("columns", [])
        result, found = answer["result"], []
        while True:
            found += result.get("data_array") or []
            if result.get("next_chunk_index") is None:
                break
            chunk = f"{_STATEMENTS}/{answer['statement_id']}/result/chunks/{result['next_chunk_index']}"
            result = self._call("GET", chunk)
        readers = [(column["name"], column["type_text"]) for column in columns]
        return [{name: _typed(value, kind) for (name, kind), value in zip(readers, row, strict=True)} for row in found]

    def _ended(self, answer: dict[str, Any]) -> dict[str, Any]:
        """Wait until the statement has ended, and return its answer. Raises: WarehouseError if it did not succeed."""
        statement_id, deadline = answer["statement_id"], time.monotonic() + self._patience_seconds
        while (state := answer["status"]["state"]) in ("PENDING", "RUNNING"):
            if time.monotonic() > deadline:
                self._call("POST", f"{_STATEMENTS}/{statement_id}/cancel")
                raise WarehouseError(
                    f"The SQL warehouse {self._env.warehouse_id} did not end statement {statement_id} within "
                    f"{self._patience_seconds:g} s; it was canceled. Look at the warehouse's query history."
                )
            time.sleep(_POLL_SECONDS)
            answer = self._call("GET", f"{_STATEMENTS}/{statement_id}")
        if state != "SUCCEEDED":
            said = answer["status"].get("error", {}).get("message", "it gave no reason")
            raise WarehouseError(f"Statement {statement_id} is {state}: {said}")
        return answer

    def _call(self, method: str, endpoint: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        return self._hook._do_api_call((method, endpoint), body)


def _parameter(name: str, value: str | int | date) -> dict[str, str]:
    kind = _PARAMETER_TYPES.get(type(value))
    if kind is None:
        raise TypeError(f"parameter {name} is a {type(value).__name__}; allowed are str, int and date")
    return {"name": name, "value": str(value), "type": kind}


def _typed(value: Any, kind: str) -> Any:
    """Convert a value by Databricks' name of its type. Nested values arrive as JSON, with their scalars as text."""
    if value is None:
        return None
    if nested := _NESTED.fullmatch(kind):
        items = json.loads(value) if isinstance(value, str) else value
        if isinstance(items, list):
            return [_typed(item, nested[2]) for item in items]
        return {key: _typed(item, nested[2]) for key, item in items.items()}
    if kind.upper().startswith("STRUCT"):
        return json.loads(value) if isinstance(value, str) else value
    return _SCALARS.get(kind.partition("(")[0].upper(), str)(value)
