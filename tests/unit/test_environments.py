import os
import re
import subprocess
import sys
from datetime import date
from pathlib import Path

import pytest
import yaml

from retailflow.compute import Pool
from retailflow.environments import SettingsError, environment_names, load_environment, parse_environment

ROOT = Path(__file__).parents[2]
ENVIRONMENTS = ["dev", "local", "prod", "stg"]
DEV = (ROOT / "include/retailflow/environments/dev.yaml").read_text()


def dev_with(**changed) -> str:
    """The text of dev.yaml with other values at its top level."""
    return yaml.safe_dump(yaml.safe_load(DEV) | changed)


def refusal(text: str, name: str = "dev") -> str:
    with pytest.raises(SettingsError) as error:
        parse_environment(name, text)
    return str(error.value)


def test_there_are_four_environments_and_each_file_is_valid():
    assert environment_names() == tuple(ENVIRONMENTS)
    assert [load_environment(name).name for name in ENVIRONMENTS] == ENVIRONMENTS


def test_the_variable_chooses(monkeypatch):
    monkeypatch.setenv("RETAILFLOW_ENV", "prod")
    assert load_environment().name == "prod"
    assert load_environment("dev").name == "dev"


@pytest.mark.parametrize("value", [None, ""])
def test_without_the_variable_there_is_no_environment(monkeypatch, value):
    monkeypatch.delenv("RETAILFLOW_ENV")
    if value is not None:
        monkeypatch.setenv("RETAILFLOW_ENV", value)
    with pytest.raises(SettingsError, match=r"^RETAILFLOW_ENV is not set: set it to one of dev, local, prod, stg\.$"):
        load_environment()


def test_only_account_and_scheme_of_raw_differ_from_the_cloud():
    assert load_environment("local").raw.root == "abfs://raw@devstoreaccount1.dfs.core.windows.net"
    assert load_environment("dev").raw.root == "abfss://raw@retailflowdev.dfs.core.windows.net"
    assert {load_environment(name).raw.container for name in ENVIRONMENTS} == {"raw"}


def test_catalogs_are_named_after_their_environment():
    assert {name: load_environment(name).catalog for name in ENVIRONMENTS} == {
        "local": "spark_catalog",
        "dev": "retailflow_dev",
        "stg": "retailflow_stg",
        "prod": "retailflow_prod",
    }


def test_the_clock_stops_on_a_laptop_only():
    assert {name: load_environment(name).schedule.last_date for name in ENVIRONMENTS} == {
        "local": date(2026, 6, 30),
        "dev": None,
        "stg": None,
        "prod": None,
    }


def test_jobs_that_nobody_waits_for_start_later_on_serverless_compute_and_have_the_same_clusters():
    prod = load_environment("prod")
    assert prod.compute.performance_target == "PERFORMANCE_OPTIMIZED"
    assert prod.unhurried().compute == prod.compute.model_copy(update={"performance_target": "STANDARD"})
    clusters = prod.model_copy(update={"compute": Pool(profile="pool", instance_pool_id="0101-120000-pool", workers=2)})
    assert clusters.unhurried() == clusters


@pytest.mark.parametrize("name", ["production", "../dev", "Dev"])
def test_an_unknown_environment_is_refused_with_the_names_there_are(name):
    with pytest.raises(SettingsError) as error:
        load_environment(name)
    assert str(error.value) == (
        f"There is no environment {name!r}: give one of dev, local, prod, stg (or set RETAILFLOW_ENV to it)."
    )


def test_a_wrong_key_is_refused_with_the_keys_there_are():
    text = dev_with(compute={"profile": "serverless", "runtim": "18"})
    assert refusal(text) == (
        "environments/dev.yaml: compute.serverless: unknown key runtim "
        "(allowed: budget_policy_id, environment_version, performance_target, profile)."
    )


def test_a_wrong_key_at_the_top_is_refused_with_the_keys_there_are():
    assert refusal(dev_with(catalogue="x")).startswith(
        "environments/dev.yaml: top level: unknown key catalogue (allowed: alert_addresses, catalog, compute,"
    )


def test_a_missing_key_is_named():
    settings = yaml.safe_load(DEV)
    del settings["retries"]["count"]
    assert refusal(yaml.safe_dump(settings)) == "environments/dev.yaml: retries.count: Field required."


def test_a_wrong_value_is_refused_with_what_is_allowed():
    assert refusal(dev_with(sensor={"poke_seconds": 60, "timeout_hours": 30})) == (
        "environments/dev.yaml: sensor.timeout_hours: Input should be less than or equal to 20."
    )
    assert "'serverless', 'pool', 'cluster'" in refusal(dev_with(compute={"profile": "gpu"}))


@pytest.mark.parametrize("catalog", ["a.b", "a b", "a`; DROP TABLE x", ""])
def test_a_catalog_that_is_no_plain_name_never_reaches_sql(catalog):
    assert refusal(dev_with(catalog=catalog)).startswith("environments/dev.yaml: catalog: String should match pattern")


def test_dates_of_the_schedule_are_in_order():
    schedule = {"cron": "0 2 * * *", "first_date": date(2026, 1, 2), "last_date": date(2026, 1, 1)}
    assert refusal(dev_with(schedule=schedule)) == (
        "environments/dev.yaml: schedule: last_date 2026-01-01 is before first_date 2026-01-02."
    )


def test_a_file_is_named_like_its_environment():
    assert refusal(DEV, name="stg") == (
        "environments/stg.yaml: name: is 'dev', allowed is only 'stg', the name of the file."
    )


def test_text_that_is_no_yaml_is_refused_with_its_place():
    assert refusal("name: [dev").startswith("environments/dev.yaml is not YAML: while parsing a flow sequence")


def test_a_source_is_asked_in_parts_and_with_an_overlap_that_may_be_set_within_bounds():
    orders = {"base_url": "https://x.example/v1", "token_secret": "t"}
    found = parse_environment("dev", dev_with(sources={"orders": orders})).sources["orders"]
    assert (found.part_megabytes, found.overlap_hours) == (64, 6)
    for key, value, allowed in (("part_megabytes", 129, "128"), ("overlap_hours", 25, "24")):
        assert refusal(dev_with(sources={"orders": {**orders, key: value}})) == (
            f"environments/dev.yaml: sources.orders.{key}: Input should be less than or equal to {allowed}."
        )
    assert "part_megabytes: Input should be greater" in refusal(
        dev_with(sources={"orders": orders | {"part_megabytes": 0}})
    )
    assert "overlap_hours: Input should be greater" in refusal(
        dev_with(sources={"orders": orders | {"overlap_hours": -1}})
    )


def test_the_simulated_sources_of_a_laptop_may_be_at_another_port_and_those_of_an_environment_never(monkeypatch):
    monkeypatch.setenv("RETAILFLOW_SOURCES_URL", "http://127.0.0.1:9")
    assert load_environment("local").sources["orders"].base_url == "http://127.0.0.1:9/orders/v1"
    assert load_environment("prod").sources["orders"].base_url.startswith("https://")
    monkeypatch.delenv("RETAILFLOW_SOURCES_URL")
    assert load_environment("local").sources["customers"].base_url.endswith("/crm/v1")


@pytest.fixture
def start(tmp_path):
    """`start(RETAILFLOW_ENV or None, *arguments)`: runs the image's entrypoint. `airflow` prints its arguments."""
    airflow = tmp_path / "airflow"
    airflow.write_text('#!/bin/sh\necho airflow "$@"\n')
    airflow.chmod(0o755)
    path = os.pathsep.join([str(tmp_path), str(Path(sys.executable).parent), os.environ["PATH"]])

    def started(chosen: str | None, *arguments: str) -> subprocess.CompletedProcess[str]:
        environment = os.environ | {"PATH": path}
        environment.pop("RETAILFLOW_ENV", None)
        environment |= {} if chosen is None else {"RETAILFLOW_ENV": chosen}
        command = [ROOT / "include" / "image" / "entrypoint.sh", *arguments]
        return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)

    return started


@pytest.mark.parametrize(
    ("chosen", "says"),
    [
        (None, "retailflow: RETAILFLOW_ENV is not set"),
        ("", "retailflow: RETAILFLOW_ENV is not set"),
        ("prdo", "retailflow: There is no environment 'prdo'"),
    ],
)
@pytest.mark.parametrize("arguments", [["scheduler"], ["bash", "-c", "exec airflow scheduler"]])
def test_the_image_does_not_start_without_an_environment(start, chosen, says, arguments):
    done = start(chosen, *arguments)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith(says)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["scheduler"], "airflow scheduler"),
        (["airflow", "db", "check-migrations"], "airflow db check-migrations"),
        (["bash", "-c", "exec airflow dag-processor"], "airflow dag-processor"),
        (["python", "-c", "print('a task')"], "a task"),
    ],
)
def test_the_image_starts_what_people_and_the_helm_chart_pass(start, arguments, says):
    done = start("prod", *arguments)
    assert (done.returncode, done.stdout, done.stderr) == (0, f"{says}\n", "")


def test_the_image_has_that_entrypoint_and_chooses_no_environment():
    image = (ROOT / "Dockerfile").read_text().partition(" AS workspace")[0]
    assert "COPY --chmod=755 include/image/entrypoint.sh /entrypoint\n" in image
    assert 'ENTRYPOINT ["/entrypoint"]\n' in image
    assert not re.search(r"^(ENV|ARG)?\s*RETAILFLOW_ENV=", image, re.MULTILINE)
