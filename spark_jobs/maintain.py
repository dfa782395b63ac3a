"""Run the upkeep of a layer's tables: `maintain.py --env E --layer N --run-id ID`."""

from retailflow_spark.delta.writer import Tables
from retailflow_spark.job.entry import databricks_run_id, one_of, options, spark_session
from retailflow_spark.ops.maintenance import LAYERS, maintain_layer

if __name__ == "__main__":
    given = options({"layer": one_of("layer", list(LAYERS)), "run-id": databricks_run_id})
    with spark_session() as spark:
        maintain_layer(Tables.of(spark, given.env), given.layer, given.run_id)
