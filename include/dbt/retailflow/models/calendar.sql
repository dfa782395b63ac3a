{{ config(materialized='view') }}
SELECT calendar_date FROM {{ source('gold', 'dim_date') }}
