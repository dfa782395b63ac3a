"""Airflow imports this when it starts: `airflow dags test` gets a metadata database of its own.

It runs the tasks itself. In the common database the workspace's scheduler and triggerer would take the same tasks up,
and each would change the other's task instances under its hands.
"""

import os
import sys

__all__ = []

if sys.argv[1:3] == ["dags", "test"]:
    SQL_ALCHEMY_CONN = f"sqlite:///{os.environ['AIRFLOW_HOME']}/dags_test.db"
    SQL_ALCHEMY_CONN_ASYNC = SQL_ALCHEMY_CONN.replace("sqlite://", "sqlite+aiosqlite://")
    __all__ = ["SQL_ALCHEMY_CONN", "SQL_ALCHEMY_CONN_ASYNC"]
