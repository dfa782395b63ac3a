"""The incident card: it says what happened, what is usual, which tables are affected, and what is safe to do now.

The e-mail, the page in Airflow and `./retailflow incident` use the same model.
"""

from retailflow_airflow.incident.advice import backfill, replay_outdated
from retailflow_airflow.incident.collect import collect
from retailflow_airflow.incident.culprit import culprit, facts_of
from retailflow_airflow.incident.model import Event, Facts, Incident, describe
from retailflow_airflow.incident.render import html, subject, text
from retailflow_airflow.incident.run_log import RunLog

__all__ = ["Event", "Facts", "Incident", "RunLog", "backfill", "collect", "culprit", "describe",
           "facts_of", "html", "replay_outdated",
           "subject", "text"]  # fmt: skip
