-- Run in the environment's catalog: USE CATALOG retailflow_dev;
CREATE OR REPLACE VIEW marts.sales_metrics WITH METRICS LANGUAGE YAML AS $$
version: '1.1'
comment: One row for each sold or returned line of both channels, as the metrics count them. It is a view of gold.fact_sales.
source: marts.sales
joins:
- name: product
  source: gold.dim_product
  'on': source.product_sk = product.product_sk
- name: store
  source: gold.dim_store
  'on': source.store_id = store.store_id
dimensions:
- name: channel
  expr: channel
  comment: 'Where it was sold: ''online'' or ''store''.'
- name: business_date
  expr: business_date
  comment: Local date of the sale in the store's time zone; online, the UTC date.
- name: currency
  expr: currency
  comment: Currency of all amounts (ISO 4217).
- name: store_id
  expr: store_id
  comment: Store; 'online' for the web shop, 'unknown' for a receipt without a store.
- name: product_id
  expr: product_id
  comment: Product sold.
- name: is_return
  expr: is_return
  comment: Whether the line was returned.
- name: product_name
  expr: product.name
  comment: Name; 'unknown' for the unknown member.
- name: product_category
  expr: product.category
  comment: Category.
- name: product_brand
  expr: product.brand
  comment: Brand.
- name: store_name
  expr: store.name
  comment: Name.
- name: store_country
  expr: store.country
  comment: Country (ISO 3166-1 alpha-2; ZZ when unknown).
measures:
- name: net_revenue
  expr: SUM(net_amount)
  display_name: Net revenue
  comment: 'Revenue without tax, returns subtracted: quantity × unit price less discount.'
- name: gross_revenue
  expr: SUM(gross_amount)
  display_name: Gross revenue
  comment: quantity × unit price, returns subtracted, before discount.
- name: discount
  expr: SUM(discount_amount)
  display_name: Discount
  comment: Discounts, those of returns subtracted.
- name: tax
  expr: SUM(tax_amount)
  display_name: Tax
  comment: Taxes, those of returns subtracted.
- name: units
  expr: SUM(quantity)
  display_name: Units
  comment: Units sold less units returned.
- name: orders
  expr: COUNT(DISTINCT order_key)
  display_name: Orders
  comment: Orders and receipts with a positive line; each counts once.
- name: returned_units
  expr: SUM(returned_unit_count)
  display_name: Returned units
  comment: Units returned, as a positive number.
- name: returned_revenue
  expr: SUM(returned_amount)
  display_name: Returned revenue
  comment: Net amount of the returned lines, as a positive number.
- name: average_order
  expr: SUM(net_amount) / nullif(COUNT(DISTINCT order_key), 0)
  display_name: Average order
  comment: Net revenue divided by orders.
- name: discount_rate
  expr: SUM(discount_amount) / nullif(SUM(gross_amount), 0)
  display_name: Discount rate
  comment: Discount divided by gross revenue.
$$;
