WITH sales AS (
  SELECT
    product_id, CAST(date_trunc('MONTH', business_date) AS DATE) AS month_start_date, currency,
    sum(quantity + returned_unit_count) AS sold_unit_count,
    sum(returned_unit_count) AS returned_unit_count,
    sum(returned_amount) AS returned_amount,
    sum(net_amount) AS net_amount
  FROM {{ ref('sales') }}
  GROUP BY ALL
)
SELECT
  sales.product_id, sales.month_start_date, sales.currency,
  coalesce(product.name, 'unknown') AS product_name,
  coalesce(product.category, 'unknown') AS category,
  product.brand,
  sold_unit_count, returned_unit_count, returned_amount, net_amount,
  {{ ratio('returned_unit_count', 'sold_unit_count') }} AS return_ratio
FROM sales
LEFT JOIN {{ source('gold', 'dim_product') }} AS product
  ON product.product_id = sales.product_id AND product.is_current
