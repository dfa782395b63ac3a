{# The newest business date there is. Marts look back from it, not from the clock: the same GOLD gives the same rows. #}
{% macro as_of() %}(SELECT max(business_date) FROM {{ source('gold', 'fact_sales') }}){% endmacro %}

{# A part of a whole, with six decimals; null where there is no whole. #}
{% macro ratio(part, whole) %}CAST(({{ part }}) / nullif({{ whole }}, 0) AS DECIMAL(18, 6)){% endmacro %}

{# 1 to 5 by the rank within a currency, 5 for the last of `order`. Equals score alike, so it does not depend on chance. #}
{% macro score(order) %}
CAST(least(floor(5 * percent_rank() OVER (PARTITION BY currency ORDER BY {{ order }})) + 1, 5) AS INT)
{% endmacro %}
