{% set names = ['payment_event_id', 'payment_id', 'order_id', 'event_type', 'amount', 'currency', 'method', 'provider',
                'occurred_at', 'recorded_at'] %}
{% if target.type == 'spark' %}
{{ config(file_format='delta', incremental_strategy='insert_overwrite', partition_by='ingestion_date') }}
select record.*, source_file, date'{{ var("day") }}' as ingestion_date
from (
  select from_json(value, '{{ names | join(" string, ") }} string') as record, _metadata.file_name as source_file
  from text.`{{ var("folder") }}`
)
{% else %}
{{ config(incremental_strategy='delete+insert', unique_key='ingestion_date') }}
select {{ names | join(', ') }}, filename as source_file, date '{{ var("day") }}' as ingestion_date
from read_json(
  '{{ var("folder") }}/*', format='newline_delimited', filename=true,
  columns={ {%- for name in names %}{{ name }}: 'VARCHAR'{{ ', ' if not loop.last }}{% endfor -%} }
)
{% endif %}
