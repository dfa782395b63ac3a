"""A pytest plugin that removes the guard named in RETAILFLOW_MUTATION, for the whole run of this process."""

import os
from contextlib import ExitStack

from mutations import MUTATIONS

_patched = ExitStack()


def pytest_sessionstart() -> None:
    _patched.enter_context(MUTATIONS[int(os.environ["RETAILFLOW_MUTATION"])].without())


def pytest_unconfigure() -> None:
    _patched.close()
