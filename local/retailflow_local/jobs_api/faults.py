"""Failures on request, so that a test can check how a client handles them."""

from pydantic import BaseModel, ConfigDict, Field


class Fault(BaseModel):
    """The next `times` requests whose path ends with `path` are answered with `status`.

    With `drop_response` the work is done first, as when a connection breaks before the answer arrives.
    """

    model_config = ConfigDict(extra="forbid")
    path: str
    status: int = Field(500, ge=400, le=599)
    times: int = Field(1, ge=1)
    retry_after: int | None = None
    drop_response: bool = False

    @property
    def headers(self) -> dict[str, str]:
        return {} if self.retry_after is None else {"Retry-After": str(self.retry_after)}


class Faults:
    def __init__(self) -> None:
        self._pending: list[Fault] = []

    def add(self, fault: Fault) -> None:
        self._pending += [fault] * fault.times

    def take(self, path: str) -> Fault | None:
        for fault in self._pending:
            if path.endswith(fault.path):
                self._pending.remove(fault)
                return fault
        return None
