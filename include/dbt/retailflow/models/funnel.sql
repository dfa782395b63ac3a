WITH steps AS (
  SELECT
    session_date, coalesce(device_type, 'unknown') AS device_type,
    count(*) AS session_count,
    count_if(product_view_count > 0) AS viewed_count,
    count_if(add_to_cart_count > 0) AS carted_count,
    count_if(checkout_count > 0) AS checked_out_count,
    count_if(is_converted) AS purchased_count
  FROM {{ source('gold', 'fact_web_sessions') }}
  GROUP BY ALL
)
SELECT
  *,
  {{ ratio('viewed_count', 'session_count') }} AS viewed_ratio,
  {{ ratio('carted_count', 'session_count') }} AS carted_ratio,
  {{ ratio('checked_out_count', 'session_count') }} AS checked_out_ratio,
  {{ ratio('purchased_count', 'session_count') }} AS purchased_ratio
FROM steps
