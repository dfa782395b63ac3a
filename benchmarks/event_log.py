"""Count Spark's work between two moments from its event log: counters are deterministic, seconds are not."""

import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

SETTINGS = {
    "spark.eventLog.enabled": "true",
    "spark.eventLog.rolling.enabled": "false",
    "spark.eventLog.compress": "false",
}
_SQL = "org.apache.spark.sql.execution.ui."
_READ = {"number of files read": "files_read", "size of files read": "bytes_read"}
_OF_STAGES = {
    "internal.metrics.output.bytesWritten": "bytes_written",
    "internal.metrics.diskBytesSpilled": "bytes_spilled",
}


def counted(folder: Path, begin: float, end: float) -> Counter[str]:
    """Return the number of jobs and stages, bytes written and spilled, and files and bytes read.

    The latter are counted for all tables, for each table by name, and for Delta's logs (`log_`).

    Args:
        begin, end: seconds since the epoch; work that began between them counts.
    """
    found: Counter[str] = Counter()
    scans: dict[int, str] = {}
    for event in _events(folder):
        kind = event["Event"].removeprefix(_SQL)
        if kind == "SparkListenerSQLExecutionStart" and begin <= event["time"] / 1000 < end:
            scans.update(_scans(event["sparkPlanInfo"]))
        elif kind == "SparkListenerDriverAccumUpdates":
            for number, value in event["accumUpdates"]:
                for name in scans.pop(number, "").split():
                    found[name] += value
        elif kind == "SparkListenerJobStart" and begin <= event["Submission Time"] / 1000 < end:
            found["jobs"] += 1
        elif kind == "SparkListenerStageCompleted" and begin <= event["Stage Info"]["Submission Time"] / 1000 < end:
            found["stages"] += 1
            for one in event["Stage Info"]["Accumulables"]:
                if name := _OF_STAGES.get(one["Name"]):
                    found[name] += int(one["Value"])
    return found


def _events(folder: Path) -> Iterator[dict[str, Any]]:
    (path,) = folder.iterdir()
    with path.open() as lines:
        for line in lines:
            if line.endswith("\n"):  # the last line may be incomplete
                yield json.loads(line)


def _scans(node: dict[str, Any]) -> Iterator[tuple[int, str]]:
    """Yield the id of each metric of a scan at or below a node, and the names of the counters that it adds to."""
    is_log = "DeltaLogFileIndex" in node["metadata"].get("Location", "")
    table = node["nodeName"].rpartition(" ")[2].removeprefix("spark_catalog.")
    for metric in node["metrics"]:
        if name := _READ.get(metric["name"]):
            of_table = f" {name}:{table}" if not is_log else ""
            yield metric["accumulatorId"], f"{'log_' if is_log else ''}{name}{of_table}"
    for child in node["children"]:
        yield from _scans(child)
