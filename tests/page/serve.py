"""`python serve.py PORT DAYS`: Airflow's API server with the real plugin, its warehouse replaced by the fake one.

With DAYS 0 the warehouse reports that it does not answer; with DAYS -1 it never answers.
"""

import sys
import threading

import airflow_rows
import uvicorn
from fake_run_log import warehouse

from retailflow_airflow.warehouse import Warehouse, WarehouseError

port, days = int(sys.argv[1]), int(sys.argv[2])


def silent(*_, **__):
    raise WarehouseError("The SQL warehouse 0000000000000000 did not end statement 1 within 120 s; it was canceled.")


def hanging(*_, **__):
    threading.Event().wait()


Warehouse.__init__ = lambda *_: None
Warehouse.rows = {0: silent, -1: hanging}.get(days) or warehouse(days)
airflow_rows.write()
uvicorn.run("airflow.api_fastapi.main:app", host="127.0.0.1", port=port, log_level="warning")
