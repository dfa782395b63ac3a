"""BRONZE to SILVER: typed and valid records, the latest of each key; the others wait in quarantine."""
