"""Rows of Airflow's database for the run of the fake run log's last day: `silver.orders` failed twice.

The runs of two days before the fake run log's first are queued, that of STUCK by a cancelled backfill.
"""

from datetime import UTC, date, datetime, time, timedelta
from uuid import uuid4

from airflow.models.backfill import Backfill
from airflow.models.dag import DagModel
from airflow.models.dagbundle import DagBundleModel
from airflow.models.dagrun import DagRun
from airflow.models.taskinstance import TaskInstance
from airflow.models.taskinstancehistory import TaskInstanceHistory
from airflow.models.xcom import XComModel
from airflow.utils.session import create_session
from fake_run_log import ERROR, LAST, RUN_PAGE, STUCK, WAITING
from sqlalchemy import insert, select

from retailflow.contracts import feeds, gold_tables

DAG_ID = "retailflow_daily"


def write() -> None:
    morning = datetime.combine(LAST + timedelta(days=1), time(2), UTC)
    run_id = f"scheduled__{morning:%Y-%m-%d}T02:00:00+00:00"
    with create_session() as session:
        if session.scalar(select(DagModel.dag_id)):
            return
        session.execute(insert(DagBundleModel).values(name="dags"))
        session.add(DagModel(dag_id=DAG_ID, bundle_name="dags", is_paused=False, fileloc="x"))
        session.flush()
        run = {"dag_id": DAG_ID, "run_id": run_id, "run_type": "scheduled", "run_after": morning, "state": "running"}
        run |= {"logical_date": morning - timedelta(days=1), "conf": {}, "start_date": morning}
        run_number = session.execute(insert(DagRun).values(run)).inserted_primary_key[0]
        for task_id, state in _states().items():
            number = 2 if task_id == "silver.orders" else 1
            _task(session, run_id, task_id, state, number, morning)
        first = {"dag_id": DAG_ID, "run_id": run_id, "task_id": "silver.orders", "map_index": -1, "try_number": 1}
        first |= {"task_instance_id": uuid4(), "state": "failed", "pool": "default_pool"}
        first |= {"start_date": morning + timedelta(minutes=9), "end_date": morning + timedelta(minutes=10)}
        session.execute(insert(TaskInstanceHistory).values(first))
        xcom = {"dag_run_id": run_number, "run_id": run_id, "dag_id": DAG_ID, "task_id": "silver.orders"}
        for key, value in (("run_page_url", RUN_PAGE), ("incident", {"error": ERROR})):
            session.execute(insert(XComModel).values(xcom | {"key": key, "value": value, "map_index": -1}))

        for day in (STUCK, WAITING):
            _waiting(session, day, completed_at=morning if day == STUCK else None)


def _waiting(session, day: date, completed_at: datetime | None) -> None:
    moment = datetime.combine(day, time(2), UTC)
    backfill = Backfill(dag_id=DAG_ID, from_date=moment, to_date=moment, completed_at=completed_at)
    session.add(backfill)
    session.flush()
    run = {"dag_id": DAG_ID, "run_id": f"backfill__{day}", "run_type": "backfill", "run_after": moment, "conf": {}}
    run |= {"logical_date": moment, "state": "queued", "backfill_id": backfill.id}
    session.execute(insert(DagRun).values(run))


def _states() -> dict[str, str | None]:
    states = {f"{layer}.{e.name}": "success" for layer in ("raw", "bronze", "silver") for e in feeds()}
    states |= {f"gold.{table.name}": "success" for table in gold_tables()}
    states |= {"silver.orders": "failed", "gold.fact_orders": "upstream_failed", "raw.clickstream": "deferred"}
    return states | {"bronze.clickstream": None, "silver.clickstream": None}


def _task(session, run_id: str, task_id: str, state: str | None, number: int, morning: datetime) -> None:
    started = morning + timedelta(minutes=12)
    values = {"id": uuid4(), "dag_id": DAG_ID, "run_id": run_id, "task_id": task_id, "map_index": -1, "state": state}
    values |= {"try_number": number, "max_tries": 3, "pool": "default_pool", "pool_slots": 1, "queue": "default"}
    values |= {"start_date": started, "end_date": started + timedelta(seconds=48), "priority_weight": 1}
    values |= {"executor_config": {}, "span_status": "not_started", "operator": "x"}
    session.execute(insert(TaskInstance).values(values))
