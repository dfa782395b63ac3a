"""Runs the tests of live tables as Airflow tasks: one task for each pytest file.

pytest-airflow did this for Airflow 1. Its successor airflow-pytest-operator has 5,000 lines and starts pytest as a
separate program, which cannot use Airflow's connections. A task already has its own process, so pytest runs in it.
"""

import os
from pathlib import Path
from typing import Any

from retailflow_airflow.checkout import ROOT

FOLDER = ROOT / "tests" / "data"
_OPTIONS = ("-q", "-c", os.devnull, "--import-mode=importlib", "-p", "no:cacheprovider")


class DataTestError(RuntimeError):
    """Tests failed, or no test ran. The message names the failed tests; the log has pytest's output."""


class _Failed:
    """Collects the names of failed tests, and the first error that is not a failed assertion.

    Most of these errors come from the warehouse.
    """

    def __init__(self) -> None:
        self.names: list[str] = []
        self.error: BaseException | None = None

    def pytest_exception_interact(self, call: Any) -> None:
        if not isinstance(call.excinfo.value, AssertionError):
            self.error = self.error or call.excinfo.value

    def pytest_runtest_logreport(self, report: Any) -> None:
        if report.failed:
            self.names.append(report.nodeid.rpartition("::")[2].removeprefix("test_").replace("_", " "))


def run_file(name: str, folder: str) -> None:
    """Run the tests of the file `name` in `folder`, in this process.

    Raises:
        DataTestError: a test failed, or no test ran.
        Exception: the error that kept a test from its query, unchanged.
    """
    import pytest

    failed = _Failed()
    place = Path(folder)
    code = pytest.main([*_OPTIONS, f"--rootdir={place}", f"--confcutdir={place}", str(place / name)], plugins=[failed])
    if failed.error:
        raise failed.error
    if code:
        what = (
            f"not so: {'; '.join(failed.names)}" if failed.names else f"no test ran (pytest's exit code is {int(code)})"
        )
        raise DataTestError(f"{name}: {what}. The lines above say what was found.")
