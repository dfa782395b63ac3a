"""What became of the records of the feeds."""

NEWEST = "ops.row_reconciliation_latest"
# Far above usual: more than five times the mean of the days before, and more than a fiftieth of the records. On the
# first days, which have no usual count yet, more than a fifth of the records.
FAR_ABOVE = """
quarantined_count >= 20 AND quarantined_count * 50 > record_count AND quarantined_count > 5 * coalesce(usual, 0)
AND (days >= 3 OR quarantined_count * 5 > record_count)"""


def test_every_record_of_every_date_is_accounted_for(rows):
    assert rows(f"SELECT name, ingestion_date FROM {NEWEST} WHERE NOT is_closed") == []


def test_no_date_has_more_than_a_tenth_of_its_records_in_quarantine(rows):
    many = rows(f"""
        SELECT name, ingestion_date, quarantined_count, record_count FROM {NEWEST}
        WHERE quarantined_count > 10 AND quarantined_count * 10 > record_count""")
    assert many == [], many


def test_no_feed_has_far_more_invalid_records_than_on_the_days_before(rows):
    """Compare the newest date of each feed with the mean of up to 28 dates before."""
    many = rows(f"""
        SELECT name, ingestion_date, quarantined_count, record_count, usual FROM (
          SELECT name, ingestion_date, quarantined_count, record_count,
                 avg(quarantined_count) OVER before AS usual, count(*) OVER before AS days,
                 row_number() OVER (PARTITION BY name ORDER BY ingestion_date DESC) AS age
          FROM {NEWEST}
          WINDOW before AS (PARTITION BY name ORDER BY ingestion_date ROWS BETWEEN 28 PRECEDING AND 1 PRECEDING))
        WHERE age = 1 AND {FAR_ABOVE}""")
    assert many == [], many


def test_no_store_has_far_more_invalid_records_than_on_the_days_before(rows):
    """The same for each store: a till that breaks is lost in the numbers of its feed."""
    many = rows(f"""
        WITH dates AS (
          SELECT name, ingestion_date, row_number() OVER (PARTITION BY name ORDER BY ingestion_date DESC) AS age
          FROM {NEWEST}),
        counts AS (
          SELECT name, store_id, ingestion_date, age, max_by(quarantined_count, checked_at) AS quarantined_count,
                 max_by(record_count, checked_at) AS record_count
          FROM ops.quarantined_by_store JOIN dates USING (name, ingestion_date) WHERE age <= 29 GROUP BY ALL),
        days AS (SELECT name, count_if(age BETWEEN 2 AND 29) AS days FROM dates GROUP BY name),
        usual AS (
          SELECT name, store_id, sum(quarantined_count) / any_value(days) AS usual
          FROM counts JOIN days USING (name) WHERE age > 1 GROUP BY name, store_id)
        SELECT name, ingestion_date, store_id, quarantined_count, record_count, usual
        FROM counts JOIN days USING (name) LEFT JOIN usual USING (name, store_id)
        WHERE age = 1 AND {FAR_ABOVE}""")
    assert many == [], many
