"""Check that a release runs in its environment: `smoke.py --env E --release V`. Writes nothing."""

import sys

from retailflow.contracts import feeds, gold_tables
from retailflow_spark.job.entry import options, spark_session
from retailflow_spark.job.secrets import open_raw, secret

if __name__ == "__main__":
    env = options({}).env
    for source in env.sources.values():
        secret(env, source.token_secret)
    open_raw(env).exists("smoke")
    with spark_session() as spark:
        there = {row[0] for row in spark.sql(f"SHOW SCHEMAS IN {env.catalog}").collect()}
    wanted = {table.name.split(".")[0] for contract in (*feeds(), *gold_tables()) for table in contract.tables}
    if missing := sorted(wanted - there):
        sys.exit(f"The catalog {env.catalog} has no schema {', '.join(missing)}: apply Terraform, then deploy again.")
    print(f"This release runs: compute, {len(wanted)} schemas, RAW and {len(env.sources)} secrets answer.")
