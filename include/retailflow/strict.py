"""The base of all settings: how their YAML is read, and an error for unknown keys that names the allowed keys."""

from typing import Any

import yaml
from pydantic import BaseModel, ConfigDict, model_validator

# The loader in C is ten times faster, and the DAG processor reads the settings at every parse.
LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class Strict(BaseModel):
    """An immutable model that refuses unknown keys."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    @model_validator(mode="before")
    @classmethod
    def _only_known_keys(cls, values: Any) -> Any:
        if isinstance(values, dict):
            unknown = sorted(str(key) for key in values if key not in cls.model_fields)
            if unknown:
                raise ValueError(f"unknown key {', '.join(unknown)} (allowed: {', '.join(sorted(cls.model_fields))})")
        return values
