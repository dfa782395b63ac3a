def test_the_mart_has_the_revenue_of_its_facts_to_the_last_digit(rows):
    """The mart's own audit checks what a run changed; this checks every date."""
    total = "SELECT business_date, channel, store_id, currency, sum(net_amount) AS {} FROM gold.{} GROUP BY ALL"
    different = rows(f"""
        SELECT * FROM ({total.format("mart", "daily_revenue_mart")})
        FULL JOIN ({total.format("facts", "fact_sales")}) USING (business_date, channel, store_id, currency)
        WHERE mart IS DISTINCT FROM facts LIMIT 20""")
    assert different == []
