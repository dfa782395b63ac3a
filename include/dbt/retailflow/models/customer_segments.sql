SELECT
  segment, currency,
  count(*) AS customer_count,
  sum(order_count) AS order_count,
  sum(lifetime_net_amount) AS lifetime_net_amount
FROM {{ ref('customer_value') }}
GROUP BY ALL
