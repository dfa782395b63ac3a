import subprocess
import sys

import pytest

START = "import os, time, retailflow_local.python_daemon as daemon; daemon.IDLE_SECONDS = 1; "
WORKS = "os.fork() or (time.sleep(8), os._exit(0)); "


def test_a_worker_has_the_memory_of_one_on_serverless_compute():
    code = "import resource, retailflow_local.python_daemon as daemon; daemon.daemon.manager = lambda: print("
    code += "resource.getrlimit(resource.RLIMIT_DATA)); daemon.run()"
    assert subprocess.check_output([sys.executable, "-c", code], text=True) == "(1073741824, 1073741824)\n"


@pytest.mark.parametrize(("has_a_worker", "ends"), [(False, True), (True, False)])
def test_a_daemon_ends_when_it_has_no_worker(has_a_worker, ends):
    code = START + (WORKS if has_a_worker else "") + "daemon.run()"
    process = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    try:
        assert len(process.stdout.read(4)) == 4  # its port, so it serves
        try:
            process.wait(15 if ends else 3)
            assert ends and process.returncode == 0
        except subprocess.TimeoutExpired:
            assert not ends
    finally:
        process.stdin.close()  # as Spark ends a daemon
        process.wait(15)
