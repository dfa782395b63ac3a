"""What Airflow's components look up by name."""

from airflow.plugins_manager import AirflowPlugin

from retailflow_airflow.schedule import CronUntil


class RetailFlowPlugin(AirflowPlugin):
    name = "retailflow"
    timetables = [CronUntil]  # noqa: RUF012 - the form that Airflow documents
