"""How RetailFlow's DAGs submit, wait and schedule. `plugin.py` registers what Airflow must know by name."""
