"""The reaper run by Airflow itself, which answers from its own database; Databricks is the provider's hook."""

from airflow.models import DagRun

from retailflow_airflow import runs


def test_airflow_says_which_tries_have_ended(dags_in, database, monkeypatch):
    dag, active, canceled = dags_in("local")["retailflow_reaper"], [], []
    monkeypatch.setattr(runs._Hook, "active_runs", lambda self: iter(active))
    monkeypatch.setattr(runs._Hook, "cancel_run", lambda self, run_id: canceled.append(run_id))
    dag.test()
    ended = DagRun.find(dag_id="retailflow_reaper")[0].run_id
    names = [
        f"retailflow_reaper/reap/2026-01-15/try 1 (local, {ended})",
        f"retailflow_reaper/reap/2026-01-15/try 1 (prod, {ended})",
        "retailflow_reaper/reap/2026-01-15/try 1 (local, manual__unknown)",
        f"retailflow_reaper/reap/2026-01-15/try 1 (local, {ended}, 3)",
    ]
    active += [{"run_id": number, "run_name": name, "run_page_url": ""} for number, name in enumerate(names)]
    dag.test()
    assert canceled == [0]
