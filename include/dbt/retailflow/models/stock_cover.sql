{# The newest snapshot of each store, so that a store that counts early or late does not hide other stores. #}
WITH recent AS (
  SELECT *, max(snapshot_date) OVER (PARTITION BY store_id) AS newest_date
  FROM {{ source('gold', 'fact_inventory_snapshot') }}
  WHERE snapshot_date > date_sub((SELECT max(snapshot_date) FROM {{ source('gold', 'fact_inventory_snapshot') }}), 28)
),
stock AS (SELECT * FROM recent WHERE snapshot_date = newest_date),
demand AS (
  SELECT sale.store_id, sale.product_id, sum(sale.quantity) AS unit_count
  FROM {{ source('gold', 'fact_sales') }} AS sale
  JOIN (SELECT DISTINCT store_id, snapshot_date FROM stock) AS counted ON counted.store_id = sale.store_id
  WHERE sale.business_date > date_sub((SELECT max(snapshot_date) FROM stock), 56)
    AND sale.business_date BETWEEN date_sub(counted.snapshot_date, 27) AND counted.snapshot_date
  GROUP BY ALL
)
SELECT
  stock.store_id, stock.product_id, stock.snapshot_date,
  coalesce(product.name, 'unknown') AS product_name,
  coalesce(product.category, 'unknown') AS category,
  stock.quantity_available, stock.quantity_on_order, stock.reorder_point, stock.is_below_reorder_point,
  stock.quantity_available <= 0 AS is_stocked_out,
  coalesce(demand.unit_count, 0) AS unit_count_28_days,
  CASE WHEN demand.unit_count > 0
    THEN CAST(greatest(stock.quantity_available, 0) * 28 / demand.unit_count AS DECIMAL(18, 1)) END AS cover_days,
  stock.stock_value_amount
FROM stock
LEFT JOIN demand ON demand.store_id = stock.store_id AND demand.product_id = stock.product_id
LEFT JOIN {{ source('gold', 'dim_product') }} AS product
  ON product.product_id = stock.product_id AND product.is_current
