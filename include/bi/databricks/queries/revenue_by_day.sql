SELECT business_date, channel, currency,
       SUM(net_amount) AS net_revenue,
       SUM(gross_amount) AS gross_revenue,
       SUM(discount_amount) AS discount,
       SUM(tax_amount) AS tax,
       SUM(quantity) AS units,
       COUNT(DISTINCT order_key) AS orders,
       SUM(returned_unit_count) AS returned_units,
       SUM(returned_amount) AS returned_revenue,
       SUM(net_amount) / nullif(COUNT(DISTINCT order_key), 0) AS average_order,
       SUM(discount_amount) / nullif(SUM(gross_amount), 0) AS discount_rate
FROM marts.sales
GROUP BY business_date, channel, currency
ORDER BY business_date DESC, channel, currency
