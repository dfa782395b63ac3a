"""The part of the Databricks REST API that RetailFlow uses, on loopback: one-time runs, their output,
SQL statements, and secrets.

Tests check it with the real clients: DatabricksSubmitRunOperator, its trigger, and databricks-sdk. Import nothing here:
the process of every task imports this package first.
"""
