"""Airflow imports this when it starts: a database of its own for `airflow dags test`, and warm tasks.

`dags test` runs the tasks itself. In the common database the workspace's scheduler and triggerer would take the same
tasks up, and each would change the other's task instances under its hands.
"""

import os
import sys

__all__ = []

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
