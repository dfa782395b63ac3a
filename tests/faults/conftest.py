"""Fixtures: the fault matrix of the run, and the lab that runs its job cells."""

import json

import pytest
from pipeline import empty_catalog, put

from .lab import Lab
from .matrix import Matrix
from .records import OF, day_of


@pytest.fixture(scope="session")
def matrix() -> Matrix:
    return Matrix()


@pytest.fixture(scope="module")
def lab(workspace, spark, matrix) -> Lab:
    """A lab on an empty catalog and the RAW container of the environment `local`, which the jobs read."""
    raw = workspace.raw_store()
    raw.root = "abfs://raw@devstoreaccount1.dfs.core.windows.net"
    return Lab(workspace, empty_catalog(spark), raw, matrix)


@pytest.fixture(scope="module")
def deliver(lab):
    """`deliver(feed, days)` delivers the first days to RAW; existing files stay."""

    def delivered(name: str, days: int) -> None:
        for number in range(days):
            put(lab.raw, name, day_of(number), *map(json.dumps, OF[name](number)))

    return delivered
