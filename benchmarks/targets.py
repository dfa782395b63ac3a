"""The targets of a benchmark."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Target:
    """A claim with the upper limit of its figure. A target that is only `reported` is an aim: it never fails a run."""

    claim: str
    limit: float
    found: float
    reported: bool = False

    @property
    def is_met(self) -> bool:
        return self.found <= self.limit
