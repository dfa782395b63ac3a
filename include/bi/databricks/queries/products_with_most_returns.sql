SELECT product_id, product_name, category,
       sum(returned_unit_count) AS returned_units, sum(sold_unit_count) AS sold_units
FROM marts.product_performance
GROUP BY ALL
ORDER BY returned_units DESC, product_id
LIMIT 50
