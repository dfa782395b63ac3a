WITH stock AS (
  SELECT * FROM {{ source('gold', 'fact_inventory_snapshot') }}
  WHERE snapshot_date = (SELECT max(snapshot_date) FROM {{ source('gold', 'fact_inventory_snapshot') }})
),
demand AS (
  SELECT store_id, product_id, sum(quantity) AS unit_count
  FROM {{ source('gold', 'fact_sales') }}
  WHERE business_date BETWEEN date_sub((SELECT max(snapshot_date) FROM stock), 27) AND (SELECT max(snapshot_date) FROM stock)
  GROUP BY ALL
)
SELECT
  stock.store_id, stock.product_id, stock.snapshot_date,
  coalesce(product.name, 'unknown') AS product_name,
  coalesce(product.category, 'unknown') AS category,
  stock.available_quantity, stock.quantity_on_order, stock.reorder_point, stock.is_below_reorder_point,
  stock.available_quantity <= 0 AS is_stocked_out,
  coalesce(demand.unit_count, 0) AS unit_count_28_days,
  CASE WHEN demand.unit_count > 0
    THEN CAST(greatest(stock.available_quantity, 0) * 28 / demand.unit_count AS DECIMAL(18, 1)) END AS cover_days,
  stock.stock_value_amount
FROM stock
LEFT JOIN demand ON demand.store_id = stock.store_id AND demand.product_id = stock.product_id
LEFT JOIN {{ source('gold', 'dim_product') }} AS product
  ON product.product_id = stock.product_id AND product.is_current
