"""The GOLD tasks and their arrows, which follow the data."""

from collections.abc import Mapping
from typing import Any

from airflow.sdk import Asset, BaseOperator, TaskGroup

from retailflow.contracts import entities, gold_tables
from retailflow.environments import Environment
from retailflow_airflow.submit import spark_job


def gold_asset(name: str) -> Asset:
    return Asset(f"gold.{name}", uri=f"x-retailflow://gold/{name}")


def gold_tasks(env: Environment, silver: Mapping[str, BaseOperator], **settings: Any) -> dict[str, BaseOperator]:
    """The task group `gold`: a task a table, by its name, after the makers of its sources.

    Args:
        silver: the task that finishes an entity's tables, its versions too, by the entity.
        settings: of every task.
    """
    with TaskGroup("gold"):
        gold = {
            table.name: spark_job(
                env,
                "gold",
                table,
                assets=[gold_asset(table.name)],
                **settings,
            )
            for table in gold_tables()
        }
    makers = {table.name: silver[entity.name] for entity in entities() for table in entity.tables}
    makers |= {f"gold.{name}": task for name, task in gold.items()}
    for table in gold_tables():
        [makers[source] for source in table.sources] >> gold[table.name]
    return gold
