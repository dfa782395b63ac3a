"""What all settings have in common: how their YAML is read, and that unknown keys are refused by a sentence that names
the keys there are.
"""

from typing import Any

import yaml
from pydantic import BaseModel, ConfigDict, model_validator

# The one in C reads them in a tenth of the time, and the DAG processor reads them at every parse.
LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


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
