"""Check a day's delivery: `landed.py --env E --feed N --date YYYY-MM-DD` fails until it is complete. No Spark.

A Databricks job uses it in place of Airflow's sensor: the retries of the task wait. Each check starts compute.
"""

import sys

from retailflow.contracts import feeds
from retailflow.raw import SUCCESS, day_path, is_complete
from retailflow_spark.job.entry import arguments
from retailflow_spark.job.secrets import open_raw

if __name__ == "__main__":
    run = arguments("raw", "feed", [contract.name for contract in feeds()])
    if not is_complete(open_raw(run.environment), run.name, run.date):
        sys.exit(f"{day_path(run.name, run.date)}/{SUCCESS} is not there yet: the source has not delivered all.")
