"""The GOLD tasks, their publication, and the arrows, which follow the data."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from airflow.providers.standard.operators.empty import EmptyOperator
from airflow.sdk import Asset, BaseOperator, TaskGroup

from retailflow.contracts import entities, gold_tables
from retailflow.environments import Environment
from retailflow_airflow.submit import DATE, publication, spark_job

GOLD_DAY = Asset("gold.day", uri="x-retailflow://gold/day")  # a run has built all it had to of GOLD, and published it
_COMPLETE = """Green when all tasks of the run are: Airflow judges a run by its last task, and `gold.publish` also runs
beside failures. It tells those who read whole days, such as `retailflow_marts`, that GOLD is whole.

- **Reads** and **writes** nothing.
- **Safe to clear**: always.
- **Where to look**: where it is *upstream_failed*, at the red tasks before it.
"""


def gold_tasks(
    env: Environment,
    silver: Mapping[str, BaseOperator],
    publish: Mapping[str, Any] = MappingProxyType({}),
    date: str = DATE,
    **settings: Any,
) -> tuple[list[BaseOperator], BaseOperator]:
    """The task group `gold`, a task a table after the makers of its sources, then `publish`; and `complete`.

    Args:
        silver: the task that finishes an entity's tables, its versions too, by the entity.
        publish: settings of `publish`. date: of the run. settings: of every table's task.

    Returns: the tables' tasks, and `complete`.
    """
    with TaskGroup("gold"):
        gold = {table.name: spark_job(env, "gold", table, date=date, **settings) for table in gold_tables()}
        published = publication(env, date, **{"trigger_rule": "all_done", **publish})
    # Skipped where nothing was built, as on most nights of the erasure.
    rule = "none_failed_min_one_success"
    complete = EmptyOperator(task_id="complete", trigger_rule=rule, outlets=[GOLD_DAY], doc_md=_COMPLETE)
    makers = {table.name: silver[entity.name] for entity in entities() for table in entity.tables}
    makers |= {f"gold.{name}": task for name, task in gold.items()}
    for table in gold_tables():
        [makers[source] for source in table.sources] >> gold[table.name]
    list(gold.values()) >> published
    [*gold.values(), published] >> complete
    return list(gold.values()), complete
