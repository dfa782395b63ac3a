"""Operation of the tables: replays, upkeep, the record of Databricks runs."""
