{{ config(unique_key=['payment_event_id', 'occurred_date']) }}
{{ config(incremental_strategy='merge', file_format='delta', partition_by='occurred_date') if target.type == 'spark'
   else config(incremental_strategy='delete+insert') }}
with typed as (
  select
    payment_event_id, payment_id, order_id, event_type, cast(amount as decimal(18, 4)) as amount, currency, method,
    provider, cast(occurred_at as timestamp) as occurred_at, cast(recorded_at as timestamp) as recorded_at,
    cast(substr(occurred_at, 1, 10) as date) as occurred_date, ingestion_date
  from {{ ref('bronze_payments') }}
  where ingestion_date = date '{{ var("day") }}'
),
newest as (
  select *, row_number() over (partition by payment_event_id order by recorded_at desc) as place from typed
)
select
  payment_event_id, payment_id, order_id, event_type, amount, currency, method, provider, occurred_at, recorded_at,
  occurred_date, ingestion_date
from newest
where place = 1
{% if is_incremental() %}
  and not exists (
    select 1 from {{ this }} t
    where t.payment_event_id = newest.payment_event_id and t.occurred_date = newest.occurred_date
      and t.recorded_at >= newest.recorded_at
  )
{% endif %}
