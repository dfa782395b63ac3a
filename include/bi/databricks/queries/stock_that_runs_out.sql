SELECT store_id, product_id, product_name, quantity_available, quantity_on_order, cover_days
FROM marts.stock_cover
WHERE is_stocked_out OR cover_days < 7
ORDER BY cover_days NULLS FIRST, store_id, product_id
