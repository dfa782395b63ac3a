{{ config(materialized='view') }}
SELECT
  channel, sale_id, line_number, business_date, currency, store_id,
  product_id, product_sk, customer_id, customer_sk, is_return,
  quantity, gross_amount, discount_amount, net_amount, tax_amount,
  CASE WHEN quantity > 0 THEN concat(channel, ':', sale_id) END AS order_key,
  CASE WHEN is_return THEN -quantity ELSE 0 END AS returned_unit_count,
  CASE WHEN is_return THEN -net_amount ELSE 0 END AS returned_amount
FROM {{ source('gold', 'fact_sales') }}
