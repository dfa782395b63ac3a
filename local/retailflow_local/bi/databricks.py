"""For Databricks: a metric view, saved queries, and an AI/BI dashboard.

Formats: the metric view YAML reference (version 1.1); a dashboard's file as Databricks exports it.
"""

import json
from typing import Any

import yaml

from retailflow_local.bi.model import RELATIONS, Metric, metrics, sql, tables

_JOINED = """\
SELECT sales.*, product.name AS product_name, product.category, store.name AS store_name, store.country
FROM marts.sales AS sales
LEFT JOIN gold.dim_product AS product ON product.product_sk = sales.product_sk
LEFT JOIN gold.dim_store AS store ON store.store_id = sales.store_id"""
_QUERIES = {
    "revenue_by_day": """\
SELECT business_date, channel, currency,
       {measures}
FROM marts.sales
GROUP BY business_date, channel, currency
ORDER BY business_date DESC, channel, currency
""",
    "products_with_most_returns": """\
SELECT product_id, product_name, category,
       sum(returned_unit_count) AS returned_units, sum(sold_unit_count) AS sold_units
FROM marts.product_performance
GROUP BY ALL
ORDER BY returned_units DESC, product_id
LIMIT 50
""",
    "stock_that_runs_out": """\
SELECT store_id, product_id, product_name, available_quantity, quantity_on_order, cover_days
FROM marts.stock_cover
WHERE is_stocked_out OR cover_days < 7
ORDER BY cover_days NULLS FIRST, store_id, product_id
""",
    "open_payments": "SELECT * FROM marts.payment_ageing ORDER BY currency, side, age\n",
}


def files() -> dict[str, str]:
    measures = ",\n       ".join(f"{sql(metric)} AS {metric.name}" for metric in metrics())
    found = {f"databricks/queries/{name}.sql": text.format(measures=measures) for name, text in _QUERIES.items()}
    found["databricks/sales_metrics.sql"] = _metric_view()
    found["databricks/sales.lvdash.json"] = json.dumps(_dashboard(), indent=2, ensure_ascii=False) + "\n"
    return found


def _metric_view() -> str:
    sales = tables()[0]
    own = [
        {"name": column.name, "expr": column.name, "comment": column.description}
        for column in sales.columns
        if column.name in ("business_date", "channel", "currency", "store_id", "product_id", "is_return")
    ]
    named = {"dim_product": "product", "dim_store": "store"}
    joined = [
        {"name": f"{alias}_{column}", "expr": f"{alias}.{column}", "comment": _comment(table, column)}
        for table, alias, column in (
            ("dim_product", "product", "name"), ("dim_product", "product", "category"),
            ("dim_product", "product", "brand"), ("dim_store", "store", "name"), ("dim_store", "store", "country"),
        )
    ]  # fmt: skip
    view = {
        "version": "1.1",
        "comment": sales.description,
        "source": f"{sales.schema}.{sales.name}",
        "joins": [
            {"name": named[table], "source": f"gold.{table}", "on": f"source.{key} = {named[table]}.{found}"}
            for key, table, found in RELATIONS
            if table in named
        ],
        "dimensions": own + joined,
        "measures": [
            {"name": m.name, "expr": sql(m), "display_name": m.label, "comment": m.description} for m in metrics()
        ],
    }
    text = yaml.safe_dump(view, sort_keys=False, allow_unicode=True, width=120)
    head = "-- Run in the environment's catalog: USE CATALOG retailflow_dev;\n"
    return f"{head}CREATE OR REPLACE VIEW marts.sales_metrics WITH METRICS LANGUAGE YAML AS $$\n{text}$$;\n"


def _comment(table: str, column: str) -> str:
    found = next(one for one in tables() if one.name == table)
    return next(one.description for one in found.columns if one.name == column)


def _dashboard() -> dict[str, Any]:
    by_name = {metric.name: metric for metric in metrics()}
    shown = ("net_revenue", "orders", "average_order", "returned_revenue")
    layout = [_counter(by_name[name], place) for place, name in enumerate(shown)]
    layout += [
        _chart("revenue_by_day", "bar", by_name["net_revenue"], "business_date", "channel", (0, 3, 6, 6)),
        _chart("revenue_by_category", "bar", by_name["net_revenue"], "category", "channel", (0, 9, 3, 6)),
        _chart("returns_by_category", "bar", by_name["returned_units"], "category", "channel", (3, 9, 3, 6)),
        _filter("currency", "filter-single-select", (0, 0, 3, 1)),
        _filter("business_date", "filter-date-range-picker", (3, 0, 3, 1)),
    ]
    return {
        "datasets": [{"name": "sales", "displayName": "Sales", "queryLines": _JOINED.splitlines(keepends=True)}],
        "pages": [{"name": "sales", "displayName": "Sales", "pageType": "PAGE_TYPE_CANVAS", "layout": layout}],
    }


def _counter(metric: Metric, place: int) -> dict[str, Any]:
    spec = {"value": {"fieldName": metric.name, "displayName": metric.label}}
    x, y = 3 * (place % 2), 1 + place // 2
    fields = [{"name": metric.name, "expression": sql(metric)}]
    return _widget(f"counter_{metric.name}", "counter", 2, fields, spec, metric, (x, y, 3, 1))


def _chart(name: str, kind: str, metric: Metric, axis: str, colour: str, position: tuple[int, ...]) -> dict[str, Any]:
    fields = [{"name": column, "expression": f"`{column}`"} for column in (axis, colour)]
    fields.append({"name": metric.name, "expression": sql(metric)})
    scale = "temporal" if axis.endswith("_date") else "categorical"
    spec = {
        "x": {"fieldName": axis, "scale": {"type": scale}, "displayName": axis.replace("_", " ")},
        "y": {"fieldName": metric.name, "scale": {"type": "quantitative"}, "displayName": metric.label},
        "color": {"fieldName": colour, "scale": {"type": "categorical"}, "displayName": colour},
    }
    return _widget(name, kind, 3, fields, spec, metric, position)


def _widget(
    name: str,
    kind: str,
    version: int,
    fields: list[dict[str, str]],
    encodings: dict[str, Any],
    metric: Metric,
    position: tuple[int, ...],
) -> dict[str, Any]:
    frame = {"title": metric.label, "showTitle": True, "description": metric.description, "showDescription": True}
    query = {"datasetName": "sales", "fields": fields, "disaggregated": False}
    return {
        "widget": {
            "name": name,
            "queries": [{"name": "main_query", "query": query}],
            "spec": {"version": version, "widgetType": kind, "encodings": encodings, "frame": frame},
        },
        "position": dict(zip(("x", "y", "width", "height"), position, strict=True)),
    }


def _filter(column: str, kind: str, position: tuple[int, ...]) -> dict[str, Any]:
    query = f"filter_{column}"
    fields = [{"name": column, "expression": f"`{column}`"}]
    encoding = {"fields": [{"fieldName": column, "displayName": column.replace("_", " "), "queryName": query}]}
    return {
        "widget": {
            "name": query,
            "queries": [
                {"name": query, "query": {"datasetName": "sales", "fields": fields, "disaggregated": False}},
            ],
            "spec": {"version": 2, "widgetType": kind, "encodings": encoding, "frame": {"showTitle": True}},
        },
        "position": dict(zip(("x", "y", "width", "height"), position, strict=True)),
    }
