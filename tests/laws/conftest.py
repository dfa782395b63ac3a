"""Fixtures: pipelines for histories."""

from collections.abc import Callable

import pytest
from pipeline import empty_catalog, new_container

from .histories import GOLD, Pipeline


@pytest.fixture
def begin(workspace, spark) -> Callable[..., Pipeline]:
    """`begin(feeds)` returns a pipeline with an empty catalog and an empty RAW."""

    def begin(feeds: tuple[str, ...], gold: tuple[str, ...] = GOLD) -> Pipeline:
        return Pipeline(empty_catalog(spark), new_container(workspace), feeds, gold)

    return begin
