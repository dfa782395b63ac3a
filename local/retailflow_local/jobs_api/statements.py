"""The SQL Statement Execution API, as the SDK's `statement_execution` uses it, with inline results in JSON only."""

import threading
import uuid
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from typing import Any, Literal

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from retailflow_local.jobs_api.arguments import Arguments
from retailflow_local.jobs_api.errors import invalid, missing
from retailflow_local.jobs_api.warehouse import QueryError, Result, Warehouse, bound, literal, query_of

_CHUNK_ROWS = 10_000
_KEPT_RESULTS, _KEPT_STATEMENTS = 50, 1000
_AT_ONCE = 2
_INTERRUPT_SECONDS = 0.2
_TERMINAL = ("SUCCEEDED", "FAILED", "CANCELED", "CLOSED")


class Parameter(BaseModel):
    model_config = ConfigDict(extra="forbid")
    name: str = Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")
    value: str | None = None
    type: str = "STRING"


class Request(BaseModel):
    """The keys that the local warehouse accepts. It refuses Databricks' other keys and does not ignore them."""

    model_config = ConfigDict(extra="forbid")
    statement: str = Field(min_length=1, max_length=16 * 2**20)
    warehouse_id: str = Field(pattern=r"^[0-9a-f]{16}$")
    parameters: list[Parameter] = []
    wait_timeout: str = Field("10s", pattern=r"^(0|[5-9]|[1-4][0-9]|50)s$")
    on_wait_timeout: Literal["CONTINUE", "CANCEL"] = "CONTINUE"
    disposition: Literal["INLINE"] = "INLINE"
    format: Literal["JSON_ARRAY"] = "JSON_ARRAY"
    row_limit: int | None = Field(None, ge=1)
    catalog: Literal["spark_catalog"] | None = None
    default_schema: str | None = Field(None, alias="schema", pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")


@dataclass
class Statement:
    """One statement and its progress. The states are those of Databricks."""

    state: str = "PENDING"
    result: Result | None = None
    error: QueryError | None = None
    work: Future | None = None

    def close(self) -> None:
        if self.state == "SUCCEEDED":
            self.state, self.result = "CLOSED", None


class Statements:
    """The statements since the server's start. Few run at once, and only the newest keep their results."""

    def __init__(self, warehouse: Warehouse) -> None:
        self._warehouse = warehouse
        self._pool = ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="statement")
        self._lock = threading.Lock()
        self._known: dict[str, Statement] = {}

    def execute(self, request: Request) -> str:
        """Start a statement and wait as long as the request says. Returns the id."""
        query = query_of(request.statement)
        literals = {one.name: literal(one.name, one.value, one.type) for one in request.parameters}
        statement, statement_id = Statement(), str(uuid.uuid4())
        with self._lock:
            self._known[statement_id] = statement
            self._forget_old()
        details = (bound(query, literals), request.default_schema, statement_id, request.row_limit)
        statement.work = self._pool.submit(self._carry_out, statement, *details)
        _, unfinished = wait([statement.work], int(request.wait_timeout[:-1]))
        if unfinished and request.on_wait_timeout == "CANCEL":
            self.cancel(statement_id)
        return statement_id

    def get(self, statement_id: str) -> Statement:
        if statement_id not in self._known:
            raise missing(f"The statement {statement_id} was not found.")
        return self._known[statement_id]

    def cancel(self, statement_id: str) -> None:
        """Cancel a statement. One that has ended stays as it is."""
        statement = self.get(statement_id)
        with self._lock:
            if statement.state in _TERMINAL:
                return
            was_running, statement.state = statement.state == "RUNNING", "CANCELED"
        if was_running:
            threading.Thread(target=self._interrupt, args=(statement, statement_id), daemon=True).start()

    def close(self) -> None:
        for statement_id in list(self._known):
            self.cancel(statement_id)
        self._pool.shutdown(cancel_futures=True)
        self._warehouse.close()

    def _interrupt(self, statement: Statement, statement_id: str) -> None:
        """Interrupt it until it has ended: Spark does not yet know a query that is about to be sent."""
        while wait([statement.work], _INTERRUPT_SECONDS).not_done:
            self._warehouse.interrupt(statement_id)

    def _carry_out(self, statement: Statement, *details: Any) -> None:
        if not self._move(statement, "RUNNING"):
            return
        try:
            result = self._warehouse.run(*details)
        except QueryError as error:
            self._move(statement, "FAILED", error=error)
        except Exception as error:
            self._move(statement, "FAILED", error=QueryError("INTERNAL_ERROR", f"{type(error).__name__}: {error}"))
        else:
            self._move(statement, "SUCCEEDED", result=result)

    def _move(self, statement: Statement, state: str, **fields: Any) -> bool:
        """Move a statement to its next state, unless it was canceled meanwhile."""
        with self._lock:
            if statement.state == "CANCELED":
                return False
            statement.state = state
            for name, value in fields.items():
                setattr(statement, name, value)
            return True

    def _forget_old(self) -> None:
        ids = list(self._known)
        for statement_id in ids[:-_KEPT_RESULTS]:
            self._known[statement_id].close()
        for statement_id in ids[:-_KEPT_STATEMENTS]:
            if self._known[statement_id].state in _TERMINAL:
                del self._known[statement_id]


def statements_router(statements: Statements) -> APIRouter:
    router = APIRouter()

    @router.post("/statements")
    @router.post("/statements/")
    def execute(arguments: Arguments) -> dict[str, Any]:
        try:
            request = Request.model_validate(arguments)
        except ValidationError as error:
            first = error.errors()[0]
            raise invalid(f"{'.'.join(str(step) for step in first['loc'])}: {first['msg']}") from None
        statement_id = statements.execute(request)
        return _view(statement_id, statements.get(statement_id))

    @router.get("/statements/{statement_id}")
    def get(statement_id: str) -> dict[str, Any]:
        return _view(statement_id, statements.get(statement_id))

    @router.get("/statements/{statement_id}/result/chunks/{index}")
    def chunk(statement_id: str, index: int) -> dict[str, Any]:
        result = statements.get(statement_id).result
        if result is None:
            raise missing(f"The statement {statement_id} has no result.")
        if not 0 <= index < _chunk_count(result):
            raise invalid(f"chunk_index must be below {_chunk_count(result)}, not {index}")
        return _chunk(statement_id, result, index)

    @router.post("/statements/{statement_id}/cancel")
    def cancel(statement_id: str) -> dict[str, Any]:
        statements.cancel(statement_id)
        return {}

    return router


def _view(statement_id: str, statement: Statement) -> dict[str, Any]:
    status: dict[str, Any] = {"state": statement.state}
    if statement.error:
        status["error"] = {"error_code": statement.error.code, "message": statement.error.message}
        if statement.error.sql_state:
            status["sql_state"] = statement.error.sql_state
    view: dict[str, Any] = {"statement_id": statement_id, "status": status}
    if (result := statement.result) is None:
        return view
    chunks = [_chunk(statement_id, result, index) for index in range(_chunk_count(result))]
    view["manifest"] = {
        "format": "JSON_ARRAY",
        "schema": {"column_count": len(result.columns), "columns": result.columns},
        "total_chunk_count": len(chunks),
        "chunks": [{key: one[key] for key in ("chunk_index", "row_offset", "row_count")} for one in chunks],
        "total_row_count": len(result.rows),
        "truncated": result.is_truncated,
    }
    view["result"] = chunks[0]
    return view


def _chunk_count(result: Result) -> int:
    return max(-(-len(result.rows) // _CHUNK_ROWS), 1)


def _chunk(statement_id: str, result: Result, index: int) -> dict[str, Any]:
    rows = result.rows[index * _CHUNK_ROWS : (index + 1) * _CHUNK_ROWS]
    chunk = {"chunk_index": index, "row_offset": index * _CHUNK_ROWS, "row_count": len(rows), "data_array": rows}
    if (following := index + 1) < _chunk_count(result):
        link = f"/api/2.0/sql/statements/{statement_id}/result/chunks/{following}"
        chunk |= {"next_chunk_index": following, "next_chunk_internal_link": link}
    return chunk
