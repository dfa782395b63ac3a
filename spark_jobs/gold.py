"""Bring one GOLD table up to date with its sources: `gold.py --env E --table N --date YYYY-MM-DD`.

The date only names the run: the run recomputes the rows that changes of the sources touch. Readers see the new rows
after `publish.py` has published them.
"""

from retailflow.contracts import gold_table, gold_tables
from retailflow_spark.delta.writer import Tables
from retailflow_spark.gold.refresh import refresh
from retailflow_spark.job.entry import arguments, spark_session

if __name__ == "__main__":
    run = arguments("gold", "table", [contract.name for contract in gold_tables()])
    with spark_session() as spark:
        refresh(Tables.of(spark, run.environment), gold_table(run.name), run)
