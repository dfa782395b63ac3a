"""A whole stack of its own for each file of tests."""

from collections.abc import Iterator

import pytest
from whole_stack import SCALE, Stack

from retailflow_local.state import Simulation
from retailflow_local.workspace import Workspace


@pytest.fixture(scope="module")
def stack(tmp_path_factory) -> Iterator[Stack]:
    workspace = Workspace(tmp_path_factory.mktemp("stack"))
    with workspace.running(airflow=True, simulation=Simulation(7, SCALE, "some")):
        yield Stack(workspace)
