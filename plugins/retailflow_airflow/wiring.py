"""Wires the GOLD tasks and their publication. The arrows follow the data."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from airflow.providers.standard.operators.empty import EmptyOperator
from airflow.sdk import Asset, BaseOperator, TaskGroup

from retailflow.contracts import feeds, gold_tables
from retailflow.environments import Environment
from retailflow_airflow.submit import DATE, publication, spark_job

GOLD_DAY = Asset("gold.day", uri="x-retailflow://gold/day")  # a run has built and published all its GOLD tables
_COMPLETE = """Succeeds if all tasks of the run succeed: the last task decides the state of a run in Airflow, and
`gold.publish` also runs after failures. It starts the DAGs that need a complete day, for example `retailflow_marts`.

- **Reads** and **writes** nothing.
- **Safe to clear**: always.
- **Where to look**: if it is *upstream_failed*, at the red tasks before it.
"""


def gold_tasks(
    env: Environment,
    silver: Mapping[str, BaseOperator],
    publish: Mapping[str, Any] = MappingProxyType({}),
    date: str = DATE,
    **settings: Any,
) -> tuple[list[BaseOperator], BaseOperator]:
    """Create the task group `gold` and the task `complete`.

    The group has one task for each table, after the tasks that make its sources, and then `publish`.

    Args:
        silver: the task that finishes a feed's tables, including its versions, by the feed's name.
        publish: settings of the task `publish`.
        date: the date of the run.
        settings: settings of every table's task.

    Returns: the tables' tasks, and `complete`.
    """
    with TaskGroup("gold"):
        gold = {table.name: spark_job(env, "gold", table, date=date, **settings) for table in gold_tables()}
        published = publication(env, date, **{"trigger_rule": "all_done", **publish})
    # The task is skipped if nothing was built, as on most nights of the erasure.
    rule = "none_failed_min_one_success"
    complete = EmptyOperator(task_id="complete", trigger_rule=rule, outlets=[GOLD_DAY], doc_md=_COMPLETE)
    makers = {table.name: silver[feed.name] for feed in feeds() for table in feed.tables}
    makers |= {f"gold.{name}": task for name, task in gold.items()}
    for table in gold_tables():
        [makers[source] for source in table.sources] >> gold[table.name]
    list(gold.values()) >> published
    [*gold.values(), published] >> complete
    return list(gold.values()), complete
