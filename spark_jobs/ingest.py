"""Ingest one feed and date from a source API to RAW: `ingest.py --env E --feed N --date YYYY-MM-DD`. No Spark."""

from retailflow.contracts import feeds
from retailflow_spark.bronze.ingest import ingest_day
from retailflow_spark.job.entry import arguments

if __name__ == "__main__":
    run = arguments("raw", "feed", [c.name for c in feeds() if c.delivery == "api"])
    print(ingest_day(run.environment, run.name, run.date))
