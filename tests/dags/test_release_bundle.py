"""The release of a DAG run is the version of its DAG bundle: Airflow records it and hands it to each task."""

import json
import os
import pkgutil
import re
from pathlib import Path

import airflow
import pytest
from airflow.dag_processing.bundles.base import get_bundle_versions_base_folder, unpack_bundle_version

from retailflow_airflow.release_bundle import ReleaseBundle
from retailflow_local import airflow as local_airflow
from retailflow_local.state import PREFERRED_PORTS, Secrets
from retailflow_local.workspace import REPOSITORY


@pytest.fixture
def newest(tmp_path, monkeypatch):
    """`newest("0.1.0+g1")`: writes the release of new runs into their file."""
    path = tmp_path / "release"
    monkeypatch.setenv("RETAILFLOW_RELEASE_FILE", str(path))
    monkeypatch.setenv("RETAILFLOW_RELEASE", "0.1.0+gbefore")
    return lambda version: path.write_text(f"{version}\n")


def test_a_task_gets_the_release_of_its_run_whatever_is_newest(newest):
    newest("0.1.0+gnew")
    bundle = ReleaseBundle(name="dags-folder", version="0.1.0+gold")
    bundle.initialize()
    assert os.environ["RETAILFLOW_RELEASE"] == "0.1.0+gold"
    assert bundle.path == Path(REPOSITORY / "dags")
    # Airflow's upkeep of bundles removes this folder, and raises where there is none.
    assert (get_bundle_versions_base_folder("dags-folder") / "0.1.0+gold").is_dir()


def test_the_dag_processor_gives_new_runs_the_newest_release(newest):
    newest("0.1.0+gone")
    bundle = ReleaseBundle(name="dags-folder")
    bundle.initialize()
    assert unpack_bundle_version(bundle.get_current_version(), bundle) == ("0.1.0+gone", None)
    newest("0.1.0+gtwo")
    bundle.refresh()
    assert os.environ["RETAILFLOW_RELEASE"] == "0.1.0+gtwo"
    assert unpack_bundle_version(bundle.get_current_version(), bundle) == ("0.1.0+gtwo", None)


def test_a_file_that_comes_or_goes_changes_the_version_and_not_the_release(newest, tmp_path):
    """Airflow looks for files only then: in DagFileProcessorManager._refresh_dag_bundles."""
    newest("0.1.0+gone")
    (tmp_path / "dags").mkdir()
    (tmp_path / "dags" / "one.py").touch()
    bundle = ReleaseBundle(name="dags-folder", path=str(tmp_path / "dags"))
    bundle.initialize()
    (tmp_path / "dags" / "two.py").touch()
    bundle.refresh()
    version, _ = unpack_bundle_version(bundle.get_current_version(), bundle)
    assert version.startswith("0.1.0+gone~")
    of_task = ReleaseBundle(name="dags-folder", path=str(tmp_path / "dags"), version=version)
    of_task.initialize()
    assert os.environ["RETAILFLOW_RELEASE"] == "0.1.0+gone"
    (tmp_path / "dags" / "two.py").unlink()
    assert unpack_bundle_version(bundle.get_current_version(), bundle) == ("0.1.0+gone", None)


def test_the_image_and_a_laptop_have_the_same_bundle(tmp_path):
    ports = dict.fromkeys(PREFERRED_PORTS, 1)
    settings = local_airflow.environment(tmp_path, REPOSITORY, ports, Secrets.generate(), "sqlite")
    laptop = json.loads(settings["AIRFLOW__DAG_PROCESSOR__DAG_BUNDLE_CONFIG_LIST"])
    found = re.search(r"DAG_BUNDLE_CONFIG_LIST='(.*)'", (REPOSITORY / "Dockerfile").read_text())
    assert laptop == json.loads(found[1])
    assert [pkgutil.resolve_name(one["classpath"]) for one in laptop] == [ReleaseBundle]


LATEST = "Run with latest bundle version"


def test_the_box_that_people_must_tick_has_airflows_own_name():
    texts = Path(airflow.__file__).parent / "ui" / "dist" / "i18n" / "locales" / "en" / "dags.json"
    assert f'"runOnLatestVersion": "{LATEST}"' in texts.read_text()


def test_each_guide_that_clears_the_task_of_a_repaired_job_says_to_take_the_new_release():
    """Without the tick the task runs the failed code again."""
    paragraphs = [
        (page.name, " ".join(found.split()))
        for page in sorted((REPOSITORY / "docs").rglob("*.md"))
        for found in re.split(r"\n\n|\n(?=- )", page.read_text())
    ]
    mended = [
        (page, text) for page, text in paragraphs if re.search(r"(transform|contract|code)\b[^.]*\bclear the\b", text)
    ]
    assert len(mended) >= 2
    assert [page for page, text in mended if LATEST not in text] == []
