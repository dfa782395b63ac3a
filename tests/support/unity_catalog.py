"""A stand-in for functions, policies and column tags of Unity Catalog, as Databricks documents them."""

import re
from collections.abc import Callable
from functools import partial
from types import SimpleNamespace
from typing import Any

from pyspark.sql import Row, SparkSession


class UnityCatalog:
    """Answers the statements that open-source Spark lacks, and passes all others on to it.

    `statements` has the answered statements. `on_tag` is called with a table's path before each of its tags is set.
    """

    def __init__(self, spark: SparkSession | None = None, on_tag: Callable[[str], None] = lambda path: None) -> None:
        self._spark, self.on_tag = spark, on_tag
        self.statements: list[str] = []
        self.functions: set[str] = set()
        self.policies: dict[str, dict[str, tuple[str, str]]] = {}  # by schema and name: condition, exempt group
        self.tags: dict[tuple[str, str], dict[str, str]] = {}  # by table and column

    def __getattr__(self, name: str) -> Any:
        return getattr(self._spark, name)

    def sql(self, statement: str, *arguments: Any, **named: Any) -> Any:
        for pattern, answer in (
            (r"CREATE OR REPLACE FUNCTION ([\w.]+)\(value VARIANT\) RETURNS VARIANT RETURN .+", self.functions.add),
            (
                r"CREATE OR REPLACE POLICY (\w+) ON SCHEMA ([\w.]+) COLUMN MASK ([\w.]+) TO `account users` "
                r"EXCEPT `(\w+)` FOR TABLES MATCH COLUMNS (.+) AS (\w+) ON COLUMN \6",
                self._create_policy,
            ),
            (r"SHOW EFFECTIVE POLICIES ON TABLE ([\w.]+)", self._show_policies),
            (r"ALTER TABLE ([\w.]+) ALTER COLUMN (\w+) SET TAGS \('(\w+)' = '(\w+)'\)", self._set_tag),
        ):
            if found := re.fullmatch(pattern, statement):
                self.statements.append(statement)
                return SimpleNamespace(collect=partial(list, answer(*found.groups()) or []))
        assert self._spark, f"this statement is not documented: {statement}"
        return self._spark.sql(statement, *arguments, **named)

    def _create_policy(self, name: str, schema: str, function: str, exempt: str, condition: str, _: str) -> None:
        assert function in self.functions, f"{function} does not exist"
        self.policies.setdefault(schema, {})[name] = (condition, exempt)

    def _show_policies(self, path: str) -> list[Row]:
        schema = path.rpartition(".")[0]
        return [
            Row(**{"Policy Name": name, "Policy Type": "COLUMN_MASK"}, Schema=schema)
            for name in self.policies.get(schema, ())
        ]

    def _set_tag(self, path: str, column: str, key: str, value: str) -> None:
        self.on_tag(path)
        self.tags.setdefault((path, column), {})[key] = value

    def hides(self, path: str, column: str, group: str | None = None) -> bool:
        """Whether a reader in this group, or in none, sees NULL."""
        tags = self.tags.get((path, column), {})
        asked = {"has_tag": tags.__contains__, "has_tag_value": lambda key, value: tags.get(key) == value}
        return any(
            eval(re.sub(r"\b(NOT|AND|OR)\b", lambda word: word[0].lower(), condition), asked)
            for condition, exempt in self.policies.get(path.rpartition(".")[0], {}).values()
            if exempt != group
        )
