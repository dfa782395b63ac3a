"""The test of a law fails if its guard is removed.

`./retailflow test --full tests/laws/test_mutations.py -v` lists the guards.
"""

import os
import subprocess
import sys

import pytest
from mutations import MUTATIONS

from retailflow_local.workspace import REPOSITORY

pytestmark = pytest.mark.full


@pytest.mark.parametrize(
    "number", range(len(MUTATIONS)), ids=[f"law {mutation.law}: {mutation.guard}" for mutation in MUTATIONS]
)
def test_a_law_without_its_guard_fails_its_test(workspace, number):
    own = {
        "RETAILFLOW_MUTATION": str(number),
        "RETAILFLOW_TEST_WORKSPACE": str(workspace.root),
        "PYTHONPATH": str(REPOSITORY / "tests" / "support"),
    }
    command = (sys.executable, "-m", "pytest", "-p", "take_out", "-q", "-p", "no:cacheprovider", MUTATIONS[number].test)
    done = subprocess.run(
        command, cwd=REPOSITORY, env=os.environ | own, capture_output=True, text=True, timeout=600, check=False
    )
    assert done.returncode == pytest.ExitCode.TESTS_FAILED, done.stdout[-3000:] + done.stderr[-2000:]
    assert f"FAILED {MUTATIONS[number].test}" in done.stdout
