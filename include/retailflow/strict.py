"""The base of every settings model: unknown keys are refused, and the refusal names the keys there are."""

from typing import Any

from pydantic import BaseModel, ConfigDict, model_validator


class Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    @model_validator(mode="before")
    @classmethod
    def _only_known_keys(cls, values: Any) -> Any:
        if isinstance(values, dict):
            unknown = sorted(str(key) for key in values if key not in cls.model_fields)
            if unknown:
                raise ValueError(f"unknown key {', '.join(unknown)} (allowed: {', '.join(sorted(cls.model_fields))})")
        return values
