"""The Spark server's Python side: pyspark's own daemon, which ends when it has had no worker for a while.

Every Spark Connect session has one, and Spark 4.1 lets it live on when the session has ended (SPARK-54055): a process
of 50 MB for each job that ran Python. One that a session misses is started again by Spark.
"""

import os
import signal

import psutil
from pyspark import daemon

IDLE_SECONDS = 60


def _end_if_idle(*_: object) -> None:
    if not psutil.Process().children():
        os._exit(0)
    signal.alarm(IDLE_SECONDS)


def run() -> None:
    signal.signal(signal.SIGALRM, _end_if_idle)
    signal.alarm(IDLE_SECONDS)
    daemon.manager()


if __name__ == "__main__":
    run()
