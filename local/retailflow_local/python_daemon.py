"""The Spark server's Python side: pyspark's own daemon, whose workers have as much memory as on serverless compute.

The daemon ends when it has had no worker for a while. Every Spark Connect session has a daemon, and Spark 4.1 does not
end it with the session (SPARK-54055): it leaves a process of 50 MB for each job that ran Python. If a session needs its
daemon again, Spark starts a new one.
"""

import os
import resource
import signal

import psutil
from pyspark import daemon

IDLE_SECONDS = 60
# A worker: "custom code in UDFs cannot exceed 1 GB memory" (learn.microsoft.com, limitations of serverless compute).
# RLIMIT_DATA counts private writable memory, which is the memory that code can fill. RLIMIT_AS would also count 240 MB
# of libraries that are only mapped; Linux ignores RLIMIT_RSS.
WORKER_BYTES = 2**30


def _end_if_idle(*_: object) -> None:
    if not psutil.Process().children():
        os._exit(0)
    signal.alarm(IDLE_SECONDS)


def limit_memory() -> None:
    """Limit the memory of this process, and so of its forks, the workers."""
    resource.setrlimit(resource.RLIMIT_DATA, (WORKER_BYTES, WORKER_BYTES))


def run() -> None:
    limit_memory()
    signal.signal(signal.SIGALRM, _end_if_idle)
    signal.alarm(IDLE_SECONDS)
    daemon.manager()


if __name__ == "__main__":
    run()
