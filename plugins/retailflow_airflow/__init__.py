"""The building blocks of RetailFlow's DAGs, and its alerts. `plugin.py` registers what Airflow looks up by name."""
