"""The check from outside, on a real API server without a scheduler and, for the rest, on given answers."""

import json
import threading
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from retailflow_airflow.outside_check import wrong

from .conftest import PASSWORD

HEALTHY = {name: {"status": "healthy"} for name in ("metadatabase", "scheduler", "triggerer", "dag_processor")}


def answers(minutes=3, paused=False, errors=()):
    ended = (datetime.now(UTC) - timedelta(minutes=minutes)).isoformat()
    return {
        "/api/v2/monitor/health": HEALTHY,
        "/auth/token": {"access_token": "x"},
        "/api/v2/importErrors": {"total_entries": len(errors), "import_errors": [{"filename": one} for one in errors]},
        "/api/v2/dags/retailflow_watch": {"is_paused": paused},
        "/api/v2/dags/retailflow_watch/dagRuns": {"dag_runs": [{"end_date": ended}]},
    }


@pytest.fixture
def said():
    """`said(answers(…))`: what the check says about an Airflow with these answers."""

    def of(known):
        class Airflow(BaseHTTPRequestHandler):
            def do_GET(self):
                self.send_response(200)
                self.end_headers()
                self.wfile.write(json.dumps(known[self.path.partition("?")[0]]).encode())

            do_POST = do_GET

            def log_message(self, *_):
                pass

        with HTTPServer(("127.0.0.1", 0), Airflow) as server:
            threading.Thread(target=server.serve_forever, daemon=True).start()
            found = list(wrong(f"http://127.0.0.1:{server.server_port}", "probe", "x", 15))
            server.shutdown()
        return found

    return of


def test_a_healthy_airflow_gives_no_message(said):
    assert said(answers()) == []


def test_it_reports_what_airflow_cannot_report_about_itself(said):
    assert said(answers(errors=["retailflow_watch.py"])) == [
        "1 DAG files cannot be loaded, retailflow_watch.py among them: they start no run and send no mail."
    ]
    assert "retailflow_watch is paused" in said(answers(paused=True))[0]
    assert "retailflow_watch has had no success for 15 minutes" in said(answers(minutes=20))[0]


def test_a_real_airflow_without_a_scheduler_is_reported(server):
    found = list(wrong(server.url, "viewer", PASSWORD, 15))
    assert "Airflow's scheduler is unhealthy." in found
    assert found[-1] == f"Airflow answers 404 to {server.url}/api/v2/dags/retailflow_watch."


def test_an_airflow_that_does_not_answer_is_reported():
    (found,) = wrong("http://127.0.0.1:9", "viewer", "x", 15)
    assert found.startswith("Airflow does not answer at http://127.0.0.1:9: ")
