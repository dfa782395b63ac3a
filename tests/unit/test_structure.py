"""The structure: packages and folders import only downward, in no circle, and no file is too long to read."""

import pytest

from retailflow_delivery import structure
from retailflow_local.workspace import REPOSITORY

LONGEST = 300  # lines of a module of the product


def test_no_package_imports_one_above_it():
    arrows = structure.packages(REPOSITORY)
    assert {("retailflow_spark", "retailflow"), ("retailflow_local", "retailflow_spark")} <= arrows
    assert structure.upward(arrows, tuple(structure.PACKAGES)) == []


def test_no_folder_of_the_jobs_imports_one_above_it():
    arrows = structure.floors(REPOSITORY)
    assert {("ops", "delta"), ("silver", "job")} <= arrows
    assert structure.upward(arrows, structure.FLOORS) == []


def test_an_arrow_upward_is_found():
    assert structure.upward({("delta", "gold"), ("gold", "delta"), ("job", "nowhere")}, structure.FLOORS) == [
        "delta imports gold, which is above it",
        "job imports nowhere, which has no floor",
    ]


def test_every_module_of_the_jobs_has_a_floor():
    package = REPOSITORY / structure.PACKAGES["retailflow_spark"]
    assert {path.name for path in package.iterdir() if path.name != "__pycache__"} == {"__init__.py", *structure.FLOORS}


@pytest.mark.parametrize("package", structure.PACKAGES)
def test_no_module_is_imported_by_what_it_imports(package):
    assert structure.circle(REPOSITORY, package) == []


def test_a_circle_of_imports_is_found(tmp_path):
    folder = tmp_path / structure.PACKAGES["retailflow"]
    folder.mkdir(parents=True)
    (folder / "a.py").write_text("from retailflow import b\n")
    (folder / "b.py").write_text("import retailflow.a\n")
    assert set(structure.circle(tmp_path, "retailflow")) == {"retailflow.a", "retailflow.b"}


def test_no_file_of_the_jobs_is_too_long():
    package = REPOSITORY / structure.PACKAGES["retailflow_spark"]
    lengths = {path.name: len(path.read_text().splitlines()) for path in package.rglob("*.py")}
    assert lengths
    assert {name: length for name, length in lengths.items() if length > LONGEST} == {}


def test_the_drawings_are_those_of_the_imports():
    for path, text in structure.outputs(REPOSITORY).items():
        assert path.read_text("utf-8") == text
