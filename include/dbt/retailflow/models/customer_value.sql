{# An erased customer disappears with the next build; a day later VACUUM removes the older files. #}
{{ config(
  tblproperties={'delta.deletedFileRetentionDuration': 'interval 24 hours'},
  post_hook='VACUUM {{ this }}'
) }}
WITH sales AS (
  SELECT
    customer_id, currency,
    min(CASE WHEN quantity > 0 THEN business_date END) AS first_purchase_date,
    max(CASE WHEN quantity > 0 THEN business_date END) AS last_purchase_date,
    count(DISTINCT order_key) AS order_count,
    sum(net_amount) AS net_amount
  FROM {{ ref('sales') }}
  WHERE customer_id IS NOT NULL
  GROUP BY ALL
),
bought AS (
  SELECT *, datediff({{ as_of() }}, last_purchase_date) AS days_since_purchase FROM sales WHERE order_count > 0
),
scored AS (
  SELECT
    *,
    {{ score('days_since_purchase DESC') }} AS recency_score,
    {{ score('order_count') }} AS frequency_score,
    {{ score('net_amount') }} AS monetary_score
  FROM bought
)
SELECT
  customer_id, currency, first_purchase_date, last_purchase_date, days_since_purchase, order_count,
  net_amount AS lifetime_net_amount,
  CAST(net_amount / order_count AS DECIMAL(28, 4)) AS average_order_amount,
  recency_score, frequency_score, monetary_score,
  CASE
    WHEN recency_score >= 4 AND frequency_score >= 4 AND monetary_score >= 4 THEN 'champion'
    WHEN recency_score >= 4 AND frequency_score <= 2 THEN 'new'
    WHEN recency_score <= 2 AND frequency_score >= 4 THEN 'at risk'
    WHEN recency_score <= 2 AND frequency_score <= 2 THEN 'lost'
    ELSE 'regular'
  END AS segment
FROM scored
