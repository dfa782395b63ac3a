"""The cost estimate of a backfill: what it adds up, and what it says if it cannot estimate."""

import pytest
from typer.testing import CliRunner

from retailflow.compute import Pool
from retailflow.environments import load_environment
from retailflow_delivery import cost
from retailflow_delivery.cost import Pace
from retailflow_local import cli
from retailflow_local.errors import WorkspaceError

MONTH = ("cost", "--from", "2026-01-01", "--to", "2026-01-31")


@pytest.fixture
def run(monkeypatch):
    """Run the command with the paces that a test gives, since a new workspace has no past runs."""

    def invoke(known, *arguments):
        monkeypatch.setattr(cost, "client_of", lambda env: None)
        monkeypatch.setattr(cost, "known_paces", lambda client, env: known)
        return CliRunner().invoke(cli.app, arguments, env={"COLUMNS": "200"})

    return invoke


def test_seconds_of_a_day_become_hours_of_the_days_and_money_by_the_prices_given(run):
    known = {("bronze", "orders"): Pace(36, 72), ("silver", "orders"): Pace(54, 108)}
    said = run(known, *MONTH, "--dbu-per-hour", "4", "--price-per-dbu", "0.5").output
    assert "62 runs on serverless compute: 0.78 to 1.55 hours." in said  # 31 days of 90 and 180 seconds
    assert "At 4 DBU x 0.5 + 0 machines x 0 an hour: 1.55 to 3.10." in said
    assert "Never run, and not counted: bronze.clickstream," in said


def test_machines_are_paid_for_where_they_are_ours(run, monkeypatch):
    pool = Pool(profile="pool", instance_pool_id="p", workers=2)
    monkeypatch.setattr(
        cost, "load_environment", lambda name: load_environment(name).model_copy(update={"compute": pool})
    )
    known = dict.fromkeys(cost.TASKS, Pace(3600, 3600))
    prices = ("--dbu-per-hour", "3", "--price-per-dbu", "0.3", "--price-per-machine-hour", "0.2")
    said = run(known, "cost", "--from", "2026-01-01", "--to", "2026-01-01", *prices).output
    hours = len(cost.TASKS)
    assert f"{hours} runs on pool compute: {hours}.00 to {hours}.00 hours." in said
    price = f"{hours * (3 * 0.3 + 3 * 0.2):.2f}"
    assert f"At 3 DBU x 0.3 + 3 machines x 0.2 an hour: {price} to {price}." in said and "Never run" not in said


def test_tasks_that_never_ran_get_no_estimate(run):
    result = run({}, *MONTH)
    assert isinstance(result.exception, WorkspaceError) and "knows no run yet" in str(result.exception)


def test_dates_in_the_wrong_order_are_refused(run):
    result = run({}, "cost", "--from", "2026-01-31", "--to", "2026-01-01")
    assert result.exit_code == 2 and "2026-01-01 is before 2026-01-31." in result.output
