"""Commits of a Delta table, from its history. Reading the history reads no row and no state of the table."""

import re
from dataclasses import dataclass
from datetime import date
from functools import reduce

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

# These operations change no row.
_UPKEEP = (
    *("OPTIMIZE", "REORG", "VACUUM START", "VACUUM END", "SET TBLPROPERTIES", "UPGRADE PROTOCOL"),
    *("ADD COLUMNS", "CHANGE COLUMN", "ADD CONSTRAINT", "DROP CONSTRAINT"),
)
_INSERTED, _UPDATED, _DELETED = (f"numTargetRows{what}" for what in ("Inserted", "Updated", "Deleted"))  # of a MERGE
# The predicate of a commit that replaced the slice of one date. Platforms write it differently.
_ONE_DATE = re.compile(r"""[\["(]*ingestion_date(?:\#\d+)? = (?:DATE )?'?(\d{4}-\d{2}-\d{2})'?[)"\]]*""")


@dataclass(frozen=True)
class Commit:
    """One commit of a table.

    Attributes:
        at: microseconds since 1970.
        is_upkeep: the commit changed no row.
        replaced: the predicate of an overwrite.
        note: the text that the writer stored with the commit.
        only_inserts: the commit is known to have updated and deleted no row.
    """

    version: int
    at: int
    is_upkeep: bool
    replaced: str | None
    note: str | None
    only_inserts: bool = False

    def may_concern(self, ingestion_date: date) -> bool:
        """Return whether the commit may have changed rows of that date."""
        found = _ONE_DATE.fullmatch(self.replaced or "")
        return not self.is_upkeep and not (found and found[1] != f"{ingestion_date:%Y-%m-%d}")


def commits(history: DataFrame) -> list[Commit]:
    """Return the commits of a history, the newest first."""
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
    """Return the condition that a commit is a MERGE whose metrics of these names are all 0."""
    return reduce(
        Column.__and__, (F.col("operationMetrics")[name] == "0" for name in metrics), F.col("operation") == "MERGE"
    )
