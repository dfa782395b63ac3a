{% test unique_key(model, columns) %}
SELECT {{ columns | join(', ') }} FROM {{ model }} GROUP BY ALL HAVING count(*) > 1
{% endtest %}
{% test holds(model, condition, column_name=none) %}
SELECT * FROM {{ model }} WHERE NOT ({{ condition }})
{% endtest %}
