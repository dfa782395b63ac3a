"""Run a job that fails at one of its writes: `job.py FAULT POINT SECONDS SCRIPT [arguments of the script]`.

It runs our unchanged entry script, submitted like any other job. A point is a write that the job sends to Spark, for
example `MERGE silver.payments`; the second write of this kind in a run is `MERGE silver.payments (2)`. The job prints
each write with its seconds. To find the points of a job, run it with the fault `none`.
"""

import os
import re
import runpy
import signal
import sys
import threading
import time
from collections import Counter
from pathlib import Path

from pyspark.sql.connect.client import SparkConnectClient

from retailflow.release import installed

SPARK_JOBS = Path(__file__).resolve().parents[1] / "releases" / installed() / "spark_jobs"
_STATEMENT = re.compile(r"(MERGE|CREATE TABLE|(?:CREATE(?: OR REPLACE)?|ALTER) VIEW)\b[\w\s]*? spark_catalog\.(\S+)")


def point_of(command) -> str | None:
    """Return the write of a command as a point; None if it only reads."""
    if command.HasField("write_operation"):
        operation = command.write_operation
        mode = operation.SaveMode.Name(operation.mode).removeprefix("SAVE_MODE_").lower()
        return f"{mode} {operation.table.table_name.removeprefix('spark_catalog.')}"
    relation = command.sql_command.input
    query = relation.with_relations.root.sql.query or relation.sql.query
    return " ".join(found.groups()) if (found := _STATEMENT.match(query)) else None


def die() -> None:
    sys.stdout.flush()
    os.kill(os.getpid(), signal.SIGKILL)


def install(fault: str, wanted: str, seconds: float) -> None:
    """Let `fault` happen at the write `wanted`. The fault `killed-while` interrupts the write after `seconds`."""
    execute, seen = SparkConnectClient.execute_command, Counter()

    def interrupt(client: SparkConnectClient) -> None:
        """Interrupt and die, as the workspace does for a killed client; it would be too slow for a write this small."""
        time.sleep(seconds)
        client.interrupt_all()
        die()

    def faulty(self: SparkConnectClient, command, *arguments, **options):
        point = point_of(command)
        if point is None:
            return execute(self, command, *arguments, **options)
        seen[point] += 1
        if seen[point] > 1:
            point = f"{point} ({seen[point]})"
        here = point == wanted and fault != "none"
        if here:
            print(f"FAULT {fault}: {point}", flush=True)
        if here and fault == "killed-before":
            die()
        if here and fault == "killed-while":
            threading.Thread(target=interrupt, args=[self], daemon=True).start()
        started = time.monotonic()
        try:
            answer = execute(self, command, *arguments, **options)
        finally:
            if here and fault == "killed-while":
                time.sleep(60)  # the thread ends the process
        if here and fault == "answer-lost":
            raise ConnectionError(f"the answer to {point} was lost")
        print(f"WRITE {time.monotonic() - started:.3f} {point}", flush=True)
        return answer

    SparkConnectClient.execute_command = faulty


if __name__ == "__main__":
    _, fault, point, seconds, script, *rest = sys.argv
    install(fault, point, float(seconds))
    path = str(SPARK_JOBS / f"{script}.py")
    sys.argv = [path, *rest]
    runpy.run_path(path, run_name="__main__")
