-- The Spark job's mart and dbt's mart sum the same sales in different ways. They must be equal to the last digit.
{% set amounts = ['unit_count', 'gross_amount', 'discount_amount', 'net_amount', 'tax_amount'] %}
WITH both_sides AS (
  SELECT business_date, channel, currency, {{ amounts | join(', ') }} FROM {{ source('gold', 'daily_revenue_mart') }}
  UNION ALL
  SELECT business_date, channel, currency, -{{ amounts | join(', -') }} FROM {{ ref('daily_revenue') }}
)
SELECT business_date, channel, currency{% for name in amounts %}, sum({{ name }}) AS {{ name }}{% endfor %}
FROM both_sides
GROUP BY ALL
HAVING sum({{ amounts | join(') <> 0 OR sum(') }}) <> 0
