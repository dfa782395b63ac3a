"""Airflow imports this when it starts: a database of its own for `airflow dags test`, warm tasks, backfills on SQLite.

`dags test` runs the tasks itself. In the common database the workspace's scheduler and triggerer would take the same
tasks up, and each would change the other's task instances under its hands.
"""

import os
import sys

from sqlalchemy import Connection, Engine, event

__all__ = []


@event.listens_for(Engine, "savepoint")
def _write_first(connection: Connection, _name: str | None) -> None:
    """Airflow makes each run of a backfill in a savepoint, and reads before it writes there.

    SQLite refuses the first write after a read, at once, where another process wrote between the two. Who begins as a
    writer waits for its turn instead; and as the runs are one transaction now, they all come to be, or none.
    """
    if connection.dialect.name == "sqlite" and not connection.connection.driver_connection.in_transaction:
        connection.exec_driver_sql("BEGIN IMMEDIATE")


if sys.argv[1:3] == ["dags", "test"]:
    SQL_ALCHEMY_CONN = os.environ["RETAILFLOW_DAGS_TEST_DATABASE"]
    SQL_ALCHEMY_CONN_ASYNC = SQL_ALCHEMY_CONN.replace("sqlite:", "sqlite+aiosqlite:").replace("+psycopg2:", "+asyncpg:")
    __all__ = ["SQL_ALCHEMY_CONN", "SQL_ALCHEMY_CONN_ASYNC"]

if sys.argv[1:2] == ["scheduler"]:
    # Tasks are forks of it. What each would import, 2 seconds of CPU, twice for a deferrable task, is here once.
    import airflow.providers.databricks.operators.databricks
    import airflow.providers.microsoft.azure.sensors.wasb
    import airflow.providers.smtp.hooks.smtp  # noqa: F401
    import openlineage.client.event_v2  # noqa: F401
