"""One row per key: if a feed sends a key with several event dates, the latest row in the total order stays.

SILVER is partitioned by the event date, so that a merge reads only the dates of its records. A key with a new event
date is therefore inserted next to its old row, and this module deletes one of the two (docs/adr/0005).
"""

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from retailflow.contracts import FeedContract
from retailflow.contracts.model import ORDER
from retailflow_spark.delta.rows import date_in, literal_rows
from retailflow_spark.delta.spans import near
from retailflow_spark.delta.writer import Tables, Write
from retailflow_spark.silver.profile import DayProfile


def keep_latest_date(
    tables: Tables, contract: FeedContract, first: int, last: int, profile: DayProfile | None = None
) -> tuple[int, Write | None]:
    """Keep only the latest row of each key that commits `first` to `last` of SILVER inserted. Safe to repeat.

    If two runs at once insert a key with two dates, the run that commits later sees both rows.

    Args:
        profile: the records that the commits merged, if known.

    Returns: the number of keys that had several event dates, and the write that deleted their older rows.
    """
    silver, event_date = contract.silver, contract.event_date
    key = list(silver.key)
    if not event_date or event_date in key:
        return 0, None
    if profile is None:
        inserted = tables.changes(silver.name, first, last, "insert").select(*key, event_date)
        least, greatest = F.min(key[0]).alias("least"), F.max(key[0]).alias("greatest")
        spans = [(row.least, row.greatest) for row in inserted.groupBy(event_date).agg(least, greatest).collect()]
    else:
        inserted, spans = _keys(tables, contract, profile), list(profile.spans.values())
    if not spans:
        return 0, None
    order = [contract.version_column, *ORDER]
    names = tuple(dict.fromkeys((*key, event_date, *order)))  # a version may be part of the key
    rows = tables.read(silver.name).where(near(key[0], spans)).select(*names)
    if inserted is not None:
        rows = rows.join(inserted.select(*key), key, "left_semi")
    latest, number = F.max(F.struct(*order)).alias("_latest"), F.count("*").alias("_rows")
    several = rows.groupBy(*key).agg(latest, number).where("_rows > 1")
    if several.isEmpty():
        return 0, None
    older = rows.join(several, key).where(F.struct(*order) < F.col("_latest")).select(*names)
    dates = older.groupBy(event_date).count().collect()
    count = several.count()
    prune = date_in(f"t.{event_date}", [row[event_date] for row in dates])
    return count, tables.delete_same(silver, older, names, prune)


def _keys(tables: Tables, contract: FeedContract, profile: DayProfile) -> DataFrame | None:
    """Return the keys of a small day's records. A join with the keys of a large day would cost more than it saves."""
    if profile.valid_rows is None:
        return None
    schema = tables.read(contract.silver.name).select(*contract.silver.key).schema
    return literal_rows(tables.spark, profile.valid_rows.select(list(contract.silver.key)), schema)
