"""Airflow imports this at its start: a database for `airflow dags test`, faster tasks, and backfills on SQLite.

`dags test` runs the tasks itself. In the common database the workspace's scheduler and triggerer would pick up the same
tasks, and both sides would change the same task instances.
"""

import os
import sys

from sqlalchemy import Connection, Engine, event

__all__ = []


@event.listens_for(Engine, "savepoint")
def _write_first(connection: Connection, _name: str | None) -> None:
    """Begin as a writer where Airflow creates a run of a backfill: in a savepoint, in which it reads before it writes.

    If another process wrote between the read and the write, SQLite refuses the write at once. A transaction that begins
    as a writer waits for its turn instead. All runs are then one transaction, so Airflow creates all of them or none.
    """
    if connection.dialect.name == "sqlite" and not connection.connection.driver_connection.in_transaction:
        connection.exec_driver_sql("BEGIN IMMEDIATE")


if sys.argv[1:3] == ["dags", "test"]:
    SQL_ALCHEMY_CONN = os.environ["RETAILFLOW_DAGS_TEST_DATABASE"]
    SQL_ALCHEMY_CONN_ASYNC = SQL_ALCHEMY_CONN.replace("sqlite:", "sqlite+aiosqlite:").replace("+psycopg2:", "+asyncpg:")
    __all__ = ["SQL_ALCHEMY_CONN", "SQL_ALCHEMY_CONN_ASYNC"]

if sys.argv[1:2] == ["scheduler"]:
    # Tasks are forks of the scheduler. Each would import these itself: 2 seconds of CPU, twice for a deferrable task.
    import airflow.providers.databricks.operators.databricks
    import airflow.providers.microsoft.azure.sensors.wasb
    import airflow.providers.smtp.hooks.smtp  # noqa: F401
    import openlineage.client.event_v2  # noqa: F401
