"""Checks Airflow from outside, for failures that Airflow cannot report itself. Run it by cron or a monitoring system.

    AIRFLOW_PASSWORD=… python outside_check.py https://airflow.example --user probe

Exit code 0 without output: all is well. Exit code 1: one sentence for each problem. A viewer's account is enough. The
file uses only the standard library, so you can copy it to any machine.
"""

import argparse
import json
import os
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

WATCH = "retailflow_watch"
_SECONDS = 20


def wrong(url: str, user: str, password: str, silent_minutes: int) -> Iterator[str]:
    """Yield one sentence for each problem."""
    try:
        yield from _unhealthy(_asked(f"{url}/api/v2/monitor/health"))
        token = _asked(f"{url}/auth/token", body={"username": user, "password": password})["access_token"]
        broken = _asked(f"{url}/api/v2/importErrors?limit=1", token)
        if count := broken["total_entries"]:
            where = broken["import_errors"][0]["filename"]
            yield f"{count} DAG files cannot be loaded, {where} among them: they start no run and send no mail."
        yield from _silent(url, token, silent_minutes)
    except HTTPError as error:
        yield f"Airflow answers {error.code} to {error.url}."
    except (OSError, ValueError, KeyError) as error:
        yield f"Airflow does not answer at {url}: {error}."


def _unhealthy(health: dict[str, Any]) -> Iterator[str]:
    for component in ("metadatabase", "scheduler", "triggerer", "dag_processor"):
        if (status := health[component]["status"]) != "healthy":
            yield f"Airflow's {component} is {status or 'not there'}."


def _silent(url: str, token: str, minutes: int) -> Iterator[str]:
    if _asked(f"{url}/api/v2/dags/{WATCH}", token)["is_paused"]:
        yield f"{WATCH} is paused: no mail reports late tables, missing days and killed tasks."
        return
    query = "state=success&order_by=-end_date&limit=1"
    runs = _asked(f"{url}/api/v2/dags/{WATCH}/dagRuns?{query}", token)["dag_runs"]
    last = datetime.fromisoformat(runs[0]["end_date"]) if runs else None
    if last is None or datetime.now(UTC) - last > timedelta(minutes=minutes):
        yield f"{WATCH} has had no success for {minutes} minutes (the last: {last or 'never'})."


def _asked(url: str, token: str | None = None, body: dict[str, str] | None = None) -> dict[str, Any]:
    headers = {"Content-Type": "application/json"} | ({"Authorization": f"Bearer {token}"} if token else {})
    data = json.dumps(body).encode() if body else None
    with urlopen(Request(url, data, headers), timeout=_SECONDS) as answer:
        return json.load(answer)


def main() -> None:
    parser = argparse.ArgumentParser(description="Checks Airflow for failures that it cannot report itself.")
    parser.add_argument("url", help="address of Airflow, for example https://airflow.example")
    parser.add_argument("--user", required=True, help="its password is read from AIRFLOW_PASSWORD")
    parser.add_argument("--silent-minutes", type=int, default=15, help=f"maximum age of the last success of {WATCH}")
    asked = parser.parse_args()
    found = list(wrong(asked.url.rstrip("/"), asked.user, os.environ["AIRFLOW_PASSWORD"], asked.silent_minutes))
    print("\n".join(found), end="\n" if found else "")
    sys.exit(1 if found else 0)


if __name__ == "__main__":
    main()
