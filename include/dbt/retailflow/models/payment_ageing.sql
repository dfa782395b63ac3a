WITH open AS (
  SELECT
    payment.order_id, payment.currency, payment.difference_amount,
    datediff({{ as_of() }}, coalesce(fact_order.business_date, CAST(payment.first_occurred_at AS DATE))) AS age_days
  FROM {{ source('gold', 'payment_reconciliation') }} AS payment
  LEFT JOIN {{ source('gold', 'fact_orders') }} AS fact_order ON fact_order.order_id = payment.order_id
  WHERE NOT payment.is_reconciled
)
SELECT
  currency,
  CASE WHEN difference_amount > 0 THEN 'owed by customers' ELSE 'owed to customers' END AS side,
  CASE
    WHEN age_days <= 7 THEN '0 to 7 days'
    WHEN age_days <= 30 THEN '8 to 30 days'
    WHEN age_days <= 60 THEN '31 to 60 days'
    WHEN age_days <= 90 THEN '61 to 90 days'
    ELSE 'over 90 days'
  END AS age,
  count(*) AS order_count,
  sum(abs(difference_amount)) AS amount
FROM open
GROUP BY ALL
