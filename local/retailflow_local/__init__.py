"""The local workspace: everything RetailFlow needs from Azure and Databricks, on one machine."""
