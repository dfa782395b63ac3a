"""The interface of a GOLD table's module. The module `gold/<table>.py` is the table's transform."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from typing import Protocol, cast

import pyarrow as pa
from pyspark.sql import DataFrame

from retailflow.contracts import GoldContract, gold_tables

Frames = Mapping[str, DataFrame]  # by the name of the table, for example silver.orders


@dataclass(frozen=True)
class Dimension:
    """Declares that the table describes the members of a dimension.

    `key` is the column that identifies a member. `sk` identifies one version of a member, if the table keeps versions
    (SCD2). A table with versions also has `valid_from`, `valid_to` and `is_current`.
    """

    key: str
    sk: str | None = None


@dataclass(frozen=True)
class Totals:
    """Declares that the table's sums equal those of the table `source`, for each group of the columns `groups`.

    `sums` maps columns of the table to the columns of the source that they sum.
    """

    source: str
    groups: tuple[str, ...]
    sums: Mapping[str, str]


class Transform(Protocol):
    """Builds the rows of one GOLD table from its sources.

    Its contract names the sources, because Airflow orders its tasks by them; a transform reads these tables and no
    other. The contract also names the columns of the affected keys.
    """

    DIMENSION: Dimension | None
    TOTALS: Totals | None

    def affected_keys(self, changed: Frames, tables: Frames) -> DataFrame:
        """Return the keys whose rows a change of the sources touches: one row per key, the contract's `affectedKeys`.

        Args:
            changed: for each source the changed rows, before and after. Rows of a dimension also have `_net` and
                `_commit_version`, as `Reader.value_changes` returns them.
            tables: the sources as they are now, and the table itself.
        """

    def build(self, tables: Frames, keys: DataFrame | None) -> DataFrame:
        """Return the table's rows of these keys, or all rows if `keys` is None, with the columns of the contract."""

    def prune(self, tables: Frames, contract: GoldContract, keys: DataFrame, fetched: pa.Table | None) -> Frames:
        """Return the tables with fewer rows, so that `build` reads fewer files. They keep all rows that it needs.

        Args:
            fetched: the rows of `keys`, or their distinct dates; None if they are too many to fetch.
        """


def transform_of(contract: GoldContract) -> Transform:
    """Return the transform of a GOLD table."""
    return cast(Transform, import_module(f"retailflow_spark.gold.{contract.name}"))


@cache
def dimensions() -> dict[str, Dimension]:
    """Return the dimensions, by the name of their table."""
    found = ((contract.table.name, transform_of(contract).DIMENSION) for contract in gold_tables())
    return {name: dimension for name, dimension in found if dimension}


@cache
def versioned() -> dict[str, str]:
    """Return the dimensions that keep versions: the name of the table by the column that identifies a version."""
    return {dimension.sk: name for name, dimension in dimensions().items() if dimension.sk}
