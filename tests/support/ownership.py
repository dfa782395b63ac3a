"""A stand-in for ownership in Unity Catalog, which open-source Spark lacks.

The identity that creates a table or view owns it. By Databricks' reference (ALTER VIEW, ALTER TABLE, "Create and manage
views"), a new definition of a view and a row check of a table need ownership: neither MODIFY nor MANAGE is enough.
Setting a tag of a column needs ownership or APPLY TAG, which no identity has here.
"""

import re
from typing import Any

from pyspark.errors import PySparkException
from pyspark.sql import DataFrame, SparkSession

_BY_MODIFY = r"ADD COLUMNS?|ALTER COLUMN (?!\S+ SET TAGS)|DROP COLUMNS?|SET TBLPROPERTIES|UNSET TBLPROPERTIES"
_OWNERS_ONLY = re.compile(rf"ALTER VIEW\b|CREATE OR REPLACE (TABLE|VIEW)\b|ALTER TABLE \S+ (?!{_BY_MODIFY})")
_NAMED = re.compile(r"(ALTER|CREATE OR REPLACE|CREATE) (TABLE|VIEW) (IF NOT EXISTS )?(?P<name>\S+)")


def needs_ownership(statement: str) -> bool:
    return _OWNERS_ONLY.match(statement) is not None


class Identity:
    """A Spark session of one identity. All identities of a test share `owners`: the owner of each full name."""

    def __init__(self, spark: SparkSession, name: str, owners: dict[str, str]) -> None:
        self._spark, self._name, self._owners = spark, name, owners

    def __getattr__(self, attribute: str) -> Any:
        return getattr(self._spark, attribute)

    def sql(self, statement: str, **frames: DataFrame) -> DataFrame:
        named = _NAMED.match(statement)
        owner = self._owners.setdefault(named["name"], self._name) if named else self._name
        if owner != self._name and needs_ownership(statement):
            raise PySparkException(f"PERMISSION_DENIED: User {self._name} is not the owner of {named['name']}.")
        return self._spark.sql(statement, **frames)
