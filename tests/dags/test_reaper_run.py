"""The reaper, run by Airflow itself with its own database. The provider's hook replaces Databricks."""

from airflow.models import DagRun, Variable

from retailflow_airflow import reaper
from retailflow_airflow.macros import MARK


def test_airflow_says_which_tries_have_ended(dags_in, database, monkeypatch):
    dag, active, canceled = dags_in("local")["retailflow_reaper"], [], []
    monkeypatch.setattr(dag.get_task("reap"), "retries", 0)
    monkeypatch.setattr(reaper._Hook, "active_runs", lambda self: iter(active))

    def cancel(self, run_id):
        if run_id == 0:
            raise PermissionError("refused")
        canceled.append(run_id)

    monkeypatch.setattr(reaper._Hook, "cancel_run", cancel)
    dag.test()
    ended, mark = DagRun.find(dag_id="retailflow_reaper")[0].run_id, Variable.get(MARK)
    names = [
        f"retailflow_reaper/reap/2026-01-15/try 1 (local, {mark}, {ended})",
        f"retailflow_reaper/reap/2026-01-16/try 1 (local, {mark}, {ended})",
        f"retailflow_reaper/reap/2026-01-15/try 1 (prod, {mark}, {ended})",
        f"retailflow_reaper/reap/2026-01-15/try 1 (local, 00aa11bb, {ended})",
        f"retailflow_reaper/reap/2026-01-15/try 1 (local, {mark}, manual__unknown)",
        f"retailflow_reaper/reap/2026-01-15/try 1 (local, {mark}, {ended}, 3)",
    ]
    active += [{"run_id": number, "run_name": name, "run_page_url": ""} for number, name in enumerate(names)]
    assert dag.test().state == "failed", "a refused cancel is tried again, after the others"
    assert canceled == [1]
