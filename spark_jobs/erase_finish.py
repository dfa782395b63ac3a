"""Finish an erasure: `erase_finish.py --env E --settled-hours N --run-id ID` deletes the files of older versions."""

from functools import partial

from retailflow_spark.delta.writer import Tables
from retailflow_spark.job.entry import databricks_run_id, hours, options, spark_session
from retailflow_spark.job.secrets import open_raw_to_erase
from retailflow_spark.privacy.purge import finish

if __name__ == "__main__":
    given = options({"settled-hours": hours, "run-id": databricks_run_id})
    with spark_session() as spark:
        open_store = partial(open_raw_to_erase, given.env)
        print(finish(Tables.of(spark, given.env), open_store, given.settled_hours, given.run_id))
