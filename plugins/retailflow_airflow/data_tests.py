"""Tests of live tables as tasks: a file of pytest a task.

pytest-airflow did this for Airflow 1. Its successor airflow-pytest-operator starts pytest as a program of its own that
does not reach Airflow's connections, and brings 5,000 lines for it. A task is a process already: pytest runs in it.
"""

import os
from pathlib import Path
from typing import Any

from retailflow_airflow.checkout import ROOT

FOLDER = ROOT / "tests" / "data"
_OPTIONS = ("-q", "-c", os.devnull, "--import-mode=importlib", "-p", "no:cacheprovider")


class DataTestError(RuntimeError):
    """Tests failed, or none ran. The message names them; the log has what pytest says."""


class _Failed:
    """The tests that did not pass, and the first error that is no answer to what they ask: of the warehouse, mostly."""

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
    """Run the tests of a file here.

    Raises: DataTestError where one does not hold, or none ran; what a test could not ask because of, as it is.
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
