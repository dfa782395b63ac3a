"""What Airflow's components look up by name."""

from airflow.plugins_manager import AirflowPlugin

from retailflow_airflow.page import Page
from retailflow_airflow.schedule import CronUntil


class RetailFlowPlugin(AirflowPlugin):
    name = "retailflow"
    timetables = [CronUntil]  # noqa: RUF012 - the form that Airflow documents
    fastapi_apps = [{"app": Page(), "url_prefix": "/retailflow", "name": "RetailFlow"}]  # noqa: RUF012 - as above
    external_views = [  # noqa: RUF012 - as above
        {"name": "RetailFlow", "href": "/retailflow/", "url_route": "retailflow", "destination": "nav"}
    ]
