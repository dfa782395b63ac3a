"""One row a key: where a feed gives a key several event dates, the row that is latest in the total order stays.

SILVER is partitioned by the event date, so that a merge reads only the dates of its records. A key that comes with
another date is therefore inserted beside its old row, and one of the two is deleted here (docs/adr/0005).
"""

from pyspark.sql import functions as F

from retailflow.contracts import EntityContract
from retailflow.contracts.model import ORDER
from retailflow_spark.spans import near
from retailflow_spark.tables import Tables, date_in


def keep_latest_date(tables: Tables, contract: EntityContract, first: int, last: int) -> int:
    """Let each key that commits `first` to `last` of SILVER inserted have one row. Safe to repeat.

    Of two runs at once that insert a key with two dates, the one that commits later sees both.

    Returns: the number of keys that had several event dates.
    """
    silver, event_date = contract.silver, contract.event_date
    key = list(silver.key)
    if not event_date or event_date in key:
        return 0
    inserted = tables.changes(silver.name, first, last, "insert").select(*key, event_date)
    spans = inserted.groupBy(event_date).agg(F.min(key[0]).alias("least"), F.max(key[0]).alias("greatest")).collect()
    if not spans:
        return 0
    others = tables.read(silver.name).where(near(key[0], [(span.least, span.greatest) for span in spans]))
    order = [contract.version_column, *ORDER]
    rows = others.select(*key, event_date, *order).join(inserted.select(*key), key, "left_semi")
    latest, number = F.max(F.struct(*order)).alias("_latest"), F.count("*").alias("_rows")
    several = rows.groupBy(*key).agg(latest, number).where("_rows > 1")
    older = rows.join(several, key).where(F.struct(*order) < F.col("_latest")).select(*key, event_date, *order)
    dates = older.groupBy(event_date).count().collect()
    if not dates:
        return 0
    count = several.count()
    prune = date_in(f"t.{event_date}", [row[event_date] for row in dates])
    tables.delete_same(silver, older, (*key, event_date, *order), prune)
    return count
