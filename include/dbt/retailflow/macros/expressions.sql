{# The newest business date. Marts look back from it, not from the present date, so the same GOLD gives the same rows. #}
{% macro as_of() %}(SELECT max(business_date) FROM {{ source('gold', 'fact_sales') }}){% endmacro %}

{# The ratio of a part to a whole, with six decimals; null if the whole is 0 or null. #}
{% macro ratio(part, whole) %}CAST(({{ part }}) / nullif({{ whole }}, 0) AS DECIMAL(18, 6)){% endmacro %}

{# A score of 1 to 5 by the rank within a currency; the last in `order` gets 5. Equal rows get equal scores, so it is
   deterministic. #}
{% macro score(order) %}
CAST(least(floor(5 * percent_rank() OVER (PARTITION BY currency ORDER BY {{ order }})) + 1, 5) AS INT)
{% endmacro %}
