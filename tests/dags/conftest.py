"""Real Airflow with its home in a temporary folder and no metadata database. DAGs are read from their files."""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
_HOME = tempfile.TemporaryDirectory(prefix="retailflow-airflow-")

# Airflow reads these when it is first imported.
os.environ.update(
    AIRFLOW_HOME=_HOME.name,
    AIRFLOW__CORE__DAGS_FOLDER=str(ROOT / "dags"),
    AIRFLOW__CORE__LOAD_EXAMPLES="False",
    AIRFLOW__LOGGING__LOGGING_LEVEL="WARNING",
    RETAILFLOW_RELEASE="0.1.0+gtest",
)


@pytest.fixture(scope="session")
def dags_in() -> Callable[[str], dict]:
    """The DAGs of an environment by id: `dags_in("dev")["retailflow_daily"]`."""
    from airflow.dag_processing.dagbag import DagBag

    bags: dict[str, DagBag] = {}

    def load(environment: str) -> dict:
        if environment not in bags:
            with pytest.MonkeyPatch.context() as patch:
                patch.setenv("RETAILFLOW_ENV", environment)
                bags[environment] = DagBag(ROOT / "dags")
        assert bags[environment].import_errors == {}
        return bags[environment].dags

    return load


@pytest.fixture(scope="session")
def daily(dags_in):
    return dags_in("local")["retailflow_daily"]


@pytest.fixture(scope="session")
def database() -> None:
    """Airflow's metadata database, for tests that run a DAG."""
    subprocess.run([sys.executable, "-m", "airflow", "db", "migrate"], check=True, capture_output=True)


@pytest.fixture(scope="session")
def smtp(tmp_path_factory):
    """The messages that a real SMTP server received; the connection `smtp_default` leads to it."""
    from retailflow_local.mail_sink.mailbox import Mailbox
    from retailflow_local.mail_sink.smtp import serving
    from retailflow_local.processes import HOST, any_free_port

    mailbox, port = Mailbox(tmp_path_factory.mktemp("mail")), any_free_port()
    with serving(mailbox, HOST, port), pytest.MonkeyPatch.context() as patch:
        extra = {"disable_ssl": True, "disable_tls": True, "from_email": "retailflow@retailflow.example"}
        connection = {"conn_type": "smtp", "host": HOST, "port": port, "extra": extra}
        patch.setenv("AIRFLOW_CONN_SMTP_DEFAULT", json.dumps(connection))
        yield mailbox


@pytest.fixture
def clock() -> type[datetime]:
    """A datetime class whose `now` is the `at` that a test sets. It takes the place of a module's own."""

    class Clock(datetime):
        at: datetime

        @classmethod
        def now(cls, tz=None):
            return cls.at

    return Clock
