"""A job that keeps rows in memory, in a session of its own."""

import os

from pyspark.sql import SparkSession

SparkSession.builder.remote(os.environ["SPARK_REMOTE"]).create().range(1).cache()
