"""What a benchmark is to reach."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Target:
    """A claim with the most that its figure may be. One that is only `reported` fails nothing: it is an aim."""

    claim: str
    limit: float
    found: float
    reported: bool = False

    @property
    def is_met(self) -> bool:
        return self.found <= self.limit
