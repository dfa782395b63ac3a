"""Orchestration is noise: a day in Airflow compared with its longest chain of jobs, and the JVMs that the stack starts.

The benchmark runs a small day on a warm stack with LocalExecutor. A job's time is that of its run in Databricks' API.
On the next day, every run waits for compute, as if each task started its own cold cluster.
"""

from datetime import UTC, date, datetime, timedelta
from functools import cache
from time import sleep

from databricks.sdk import WorkspaceClient
from space import Space, space
from targets import Target

from retailflow_local.airflow import AirflowClient
from retailflow_local.simulator.files import deliver_day
from retailflow_local.simulator.world import World

DAG = "retailflow_daily"
WARM, DAY, COLD_DAY = (date(2026, 1, number) for number in (14, 15, 16))
START_SECONDS = 60


def measure(start_seconds: int = START_SECONDS) -> dict:
    with space(airflow=True) as made:
        client = made.airflow_client()
        client.wait_for_dag(DAG)
        run(made, client, WARM)
        found = {"warm": run(made, client, DAY)}
        made.stop(["jobs"])
        made.start_seconds = start_seconds
        made.start()
        found[f"{start_seconds} s to start"] = run(made, client, COLD_DAY)
        jvms = [one for name in made.names for one in made.processes.members([name]) if one.name() == "java"]
        return found | {"jvms": len(jvms)}


def run(made: Space, client: AirflowClient, day: date) -> dict[str, float]:
    """Return the seconds of the day's DAG run and of its longest chain of jobs, and the number of Databricks runs."""
    deliver_day(made.raw_store(), World(7, made.simulation.scale), day)
    run_id = client.trigger(
        DAG, datetime.combine(day + timedelta(days=1), datetime.now(UTC).time(), UTC), {"ingestion_date": str(day)}
    )
    while (found := client.dag_run(DAG, run_id))["state"] in ("queued", "running"):
        sleep(2)
    assert found["state"] == "success", found
    began, ended = (datetime.fromisoformat(found[name]) for name in ("start_date", "end_date"))
    after = {task["task_id"]: task["downstream_task_ids"] for task in client.tasks(DAG)}
    spent = {task: seconds for task, of_day, seconds in jobs(made) if of_day == str(day)}

    @cache
    def longest(task: str) -> float:
        return spent.get(task, 0) + max(map(longest, after[task]), default=0)

    wall, chain = (ended - began).total_seconds(), max(map(longest, after))
    return {
        "dag_seconds": round(wall),
        "jobs_seconds": round(chain),
        "share": round(1 - chain / wall, 3),
        "runs": len(spent),
    }


def jobs(made: Space) -> list[tuple[str, str, float]]:
    """Return the task, the day and the seconds of each run."""
    runs = WorkspaceClient(host=made.jobs_url, token=made.jobs_token).jobs.list_runs()
    return [(*one.run_name.split("/")[1:3], (one.end_time - one.start_time) / 1000) for one in runs if one.end_time]


def targets(figures: dict) -> list[Target]:
    return [
        Target(
            "Share of a day's time that is not its longest chain of jobs", 0.1, figures["warm"]["share"], reported=True
        ),
        Target("JVMs of the whole stack", 1, figures["jvms"]),
    ]
