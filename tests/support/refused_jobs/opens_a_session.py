"""A job that caches rows in memory, in its own session."""

import os

from pyspark.sql import SparkSession

SparkSession.builder.remote(os.environ["SPARK_REMOTE"]).create().range(1).cache()
