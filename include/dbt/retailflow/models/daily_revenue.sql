WITH days AS (
  SELECT
    business_date, channel, currency,
    count(DISTINCT order_key) AS order_count,
    sum(quantity) AS unit_count,
    sum(gross_amount) AS gross_amount,
    sum(discount_amount) AS discount_amount,
    sum(net_amount) AS net_amount,
    sum(tax_amount) AS tax_amount
  FROM {{ ref('sales') }}
  GROUP BY ALL
)
SELECT
  day.*,
  week.net_amount AS net_amount_week_before,
  {{ ratio('day.net_amount - week.net_amount', 'week.net_amount') }} AS week_on_week_ratio,
  year.net_amount AS net_amount_year_before,
  {{ ratio('day.net_amount - year.net_amount', 'year.net_amount') }} AS year_on_year_ratio
FROM days AS day
LEFT JOIN days AS week
  ON week.business_date = date_sub(day.business_date, 7) AND week.channel = day.channel AND week.currency = day.currency
LEFT JOIN days AS year
  ON year.business_date = date_sub(day.business_date, 364) AND year.channel = day.channel AND year.currency = day.currency
