"""Repeat writes that conflict with a write of another run."""

import random
import re
import time
from collections.abc import Callable
from typing import TypeVar

from pyspark.errors import PySparkException

# The last two conditions arise where two runs create the same table.
_CONFLICT = re.compile(
    r"DELTA_(CONCURRENT_|METADATA_CHANGED|PROTOCOL_CHANGED)|Concurrent\w+Exception|_NON_EMPTY_LOCATION|ALREADY_EXISTS"
)
ATTEMPTS = 8
T = TypeVar("T")


def is_conflict(error: PySparkException) -> bool:
    """Return whether a write failed because another run committed at the same time."""
    return bool(_CONFLICT.search(str(error)))


def repeated(write: Callable[[], T]) -> T:
    """Run a write. Repeat it while commits of other runs conflict with it, for about two minutes at most."""
    for attempt in range(ATTEMPTS):
        try:
            return write()
        except PySparkException as error:
            if attempt == ATTEMPTS - 1 or not is_conflict(error):
                raise
            time.sleep(random.uniform(0.5, 1) * 2**attempt / 2)
    raise AssertionError("unreachable")
