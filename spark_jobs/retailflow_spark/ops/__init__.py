"""What looks after the tables: replays, upkeep, the record of Databricks runs."""
