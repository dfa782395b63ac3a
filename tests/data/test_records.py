"""Where the records of the feeds are."""

NEWEST = "(SELECT entity, ingestion_date, max_by(struct(*), checked_at) AS last FROM ops.row_balance GROUP BY ALL)"


def test_every_record_of_every_date_is_accounted_for(rows):
    assert rows(f"SELECT entity, ingestion_date FROM {NEWEST} WHERE NOT last.is_closed") == []


def test_no_date_has_more_than_a_tenth_of_its_records_in_quarantine(rows):
    many = rows(f"""
        SELECT entity, ingestion_date, last.quarantined_count, last.record_count FROM {NEWEST}
        WHERE last.quarantined_count > 10 AND last.quarantined_count * 10 > last.record_count""")
    assert many == []
