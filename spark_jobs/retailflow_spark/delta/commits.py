"""Commits of a Delta table, as its history tells of them: asking it reads no row and no state of the table."""

import re
from dataclasses import dataclass
from datetime import date
from functools import reduce

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

# Operations that change no row.
_UPKEEP = (
    *("OPTIMIZE", "REORG", "VACUUM START", "VACUUM END", "SET TBLPROPERTIES", "UPGRADE PROTOCOL"),
    *("ADD COLUMNS", "CHANGE COLUMN", "ADD CONSTRAINT", "DROP CONSTRAINT"),
)
_INSERTED, _UPDATED, _DELETED = (f"numTargetRows{what}" for what in ("Inserted", "Updated", "Deleted"))  # by a MERGE
# What a commit replaced, where that was the slice of one date; platforms write it differently.
_ONE_DATE = re.compile(r"""[\["(]*ingestion_date(?:\#\d+)? = (?:DATE )?'?(\d{4}-\d{2}-\d{2})'?[)"\]]*""")


@dataclass(frozen=True)
class Commit:
    """One commit. `at` is in microseconds since 1970; `note` is what its writer said of it; `is_upkeep` that it changed
    no row, `only_inserts` that it is known to have changed and deleted none.
    """

    version: int
    at: int
    is_upkeep: bool
    replaced: str | None
    note: str | None
    only_inserts: bool = False

    def may_concern(self, ingestion_date: date) -> bool:
        """Whether it may have changed rows of that date."""
        found = _ONE_DATE.fullmatch(self.replaced or "")
        return not self.is_upkeep and not (found and found[1] != f"{ingestion_date:%Y-%m-%d}")


def commits(history: DataFrame) -> list[Commit]:
    """The commits of a history, the newest first."""
    is_upkeep = F.col("operation").isin(*_UPKEEP) | _is_merge_without(_INSERTED, _UPDATED, _DELETED)
    rows = history.select(
        "version",
        F.unix_micros("timestamp").alias("at"),
        F.coalesce(is_upkeep, F.lit(False)).alias("is_upkeep"),
        F.expr("CASE WHEN operation = 'WRITE' THEN operationParameters['predicate'] END").alias("replaced"),
        F.col("userMetadata").alias("note"),
        F.coalesce(_is_merge_without(_UPDATED, _DELETED), F.lit(False)).alias("only_inserts"),
    )
    return [Commit(**row.asDict()) for row in rows.collect()]


def _is_merge_without(*metrics: str) -> Column:
    """Whether a commit is of a MERGE that counted none of these rows."""
    return reduce(
        Column.__and__, (F.col("operationMetrics")[name] == "0" for name in metrics), F.col("operation") == "MERGE"
    )
