"""Write a metric view, saved queries and an AI/BI dashboard for Databricks.

Formats: the metric view YAML reference (version 1.1); a dashboard file as Databricks exports it.
"""

import json
from typing import Any

import yaml

from retailflow_delivery.bi.model import RELATIONS, Metric, metrics, sql, tables

_JOINED = """\
SELECT sales.*, product.name AS product_name, product.category, store.name AS store_name, store.country
FROM marts.sales AS sales
LEFT JOIN gold.dim_product AS product ON product.product_sk = sales.product_sk
LEFT JOIN gold.dim_store AS store ON store.store_id = sales.store_id"""
_REVENUE_BY_DAY = """\
SELECT business_date, channel, currency,
       {measures}
FROM marts.sales
GROUP BY business_date, channel, currency
ORDER BY business_date DESC, channel, currency
"""
# The dimension columns that the metric view shows, per table: its alias, then the columns.
_SHOWN = {"dim_product": ("product", "name", "category", "brand"), "dim_store": ("store", "name", "country")}
_SIDES = ("x", "y", "width", "height")


def files() -> dict[str, str]:
    """Return the text of each file by its path below include/bi."""
    measures = ",\n       ".join(f"{sql(metric)} AS {metric.name}" for metric in metrics())
    return {
        "databricks/queries/revenue_by_day.sql": _REVENUE_BY_DAY.format(measures=measures),
        "databricks/sales_metrics.sql": _metric_view(),
        "databricks/sales.lvdash.json": json.dumps(_dashboard(), indent=2, ensure_ascii=False) + "\n",
    }


def _metric_view() -> str:
    sales = tables()[0]
    own = [
        {"name": column.name, "expr": column.name, "comment": column.description}
        for column in sales.columns
        if column.name in ("business_date", "channel", "currency", "store_id", "product_id", "is_return")
    ]
    joins = [
        {"name": alias, "source": f"gold.{table}", "on": f"source.{key} = {alias}.{found}"}
        for key, table, found in RELATIONS
        if (alias := _SHOWN.get(table, ("",))[0])
    ]
    joined = [
        {"name": f"{alias}_{column}", "expr": f"{alias}.{column}", "comment": _comment(table, column)}
        for table, (alias, *columns) in _SHOWN.items()
        for column in columns
    ]
    view = {
        "version": "1.1",
        "comment": sales.description,
        "source": f"{sales.schema}.{sales.name}",
        "joins": joins,
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
    shown = {"value": {"fieldName": metric.name, "displayName": metric.label}}
    position = (3 * (place % 2), 1 + place // 2, 3, 1)
    return _widget(f"counter_{metric.name}", {metric.name: sql(metric)}, _of(metric, "counter", 2, shown), position)


def _chart(name: str, kind: str, metric: Metric, axis: str, colour: str, position: tuple[int, ...]) -> dict[str, Any]:
    fields = {axis: f"`{axis}`", colour: f"`{colour}`", metric.name: sql(metric)}
    scale = "temporal" if axis.endswith("_date") else "categorical"
    shown = {
        "x": {"fieldName": axis, "scale": {"type": scale}, "displayName": axis.replace("_", " ")},
        "y": {"fieldName": metric.name, "scale": {"type": "quantitative"}, "displayName": metric.label},
        "color": {"fieldName": colour, "scale": {"type": "categorical"}, "displayName": colour},
    }
    return _widget(name, fields, _of(metric, kind, 3, shown), position)


def _filter(column: str, kind: str, position: tuple[int, ...]) -> dict[str, Any]:
    name = f"filter_{column}"
    shown = {"fields": [{"fieldName": column, "displayName": column.replace("_", " "), "queryName": name}]}
    spec = {"version": 2, "widgetType": kind, "encodings": shown, "frame": {"showTitle": True}}
    return _widget(name, {column: f"`{column}`"}, spec, position)


def _of(metric: Metric, kind: str, version: int, encodings: dict[str, Any]) -> dict[str, Any]:
    """Return the spec of a chart of a metric, with its label and description. Each kind has its own version."""
    frame = {"title": metric.label, "showTitle": True, "description": metric.description, "showDescription": True}
    return {"version": version, "widgetType": kind, "encodings": encodings, "frame": frame}


def _widget(name: str, fields: dict[str, str], spec: dict[str, Any], position: tuple[int, ...]) -> dict[str, Any]:
    asked = [{"name": field, "expression": expression} for field, expression in fields.items()]
    query = {"name": name, "query": {"datasetName": "sales", "fields": asked, "disaggregated": False}}
    place = dict(zip(_SIDES, position, strict=True))
    return {"widget": {"name": name, "queries": [query], "spec": spec}, "position": place}
