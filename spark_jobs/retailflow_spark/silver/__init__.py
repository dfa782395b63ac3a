"""BRONZE to SILVER: typed and valid records, the latest of each key. Invalid records wait in quarantine."""
