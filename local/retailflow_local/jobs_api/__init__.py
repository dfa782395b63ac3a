"""The part of the Databricks REST API that RetailFlow uses, on loopback: one-time runs, their output,
SQL statements, and secrets.

The judges are the real clients: DatabricksSubmitRunOperator, its trigger, and databricks-sdk. Import nothing here: the
process of every task imports this package first.
"""
