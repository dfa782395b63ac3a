"""RAW to BRONZE: what the sources sent, record by record, as received."""
