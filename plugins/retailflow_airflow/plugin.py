"""Registers the timetable and the page that Airflow's components look up by name."""

from urllib.parse import urlsplit

from airflow.plugins_manager import AirflowPlugin
from airflow.sdk.configuration import conf

from retailflow_airflow.page import Page
from retailflow_airflow.schedule import CronUntil

# Airflow's UI uses a link unchanged, even if Airflow itself is served below a path.
_PREFIX = urlsplit(conf.get("api", "base_url", fallback="")).path.rstrip("/")


class RetailFlowPlugin(AirflowPlugin):
    name = "retailflow"
    timetables = [CronUntil]  # noqa: RUF012 - the form that Airflow documents
    fastapi_apps = [{"app": Page(), "url_prefix": "/retailflow", "name": "RetailFlow"}]  # noqa: RUF012 - as above
    external_views = [  # noqa: RUF012 - as above
        {"name": "RetailFlow", "href": f"{_PREFIX}/retailflow/", "url_route": "retailflow", "destination": "nav"}
    ]
