"""The star schema that analysts use: sales, the dimensions of its keys, and the metrics of dbt's semantic model."""

from dataclasses import dataclass
from functools import cache

from retailflow.contracts import Column, gold_table
from retailflow.contracts.privacy import RESTRICTED
from retailflow_local.dbt import properties

FACTS = "sales"


@dataclass(frozen=True)
class Table:
    """A table or view that readers may see, with the columns that they need."""

    schema: str
    name: str
    description: str
    columns: tuple[Column, ...]


@dataclass(frozen=True)
class Metric:
    """The sum of a column, the count of its distinct values, or the ratio of two other metrics."""

    name: str
    label: str
    description: str
    format: str
    column: str | None = None
    is_distinct: bool = False
    ratio: "tuple[Metric, Metric] | None" = None


# A key of sales, then the dimension and its column that the key joins.
RELATIONS = (
    ("business_date", "dim_date", "calendar_date"),
    ("product_sk", "dim_product", "product_sk"),
    ("store_id", "dim_store", "store_id"),
    ("customer_sk", "dim_customer", "customer_sk"),
)


@cache
def tables() -> tuple[Table, ...]:
    """Return sales, then its dimensions, without restricted columns: these are NULL for nearly all readers."""
    model = next(one for one in properties("models.yml")["models"] if one["name"] == FACTS)
    columns = tuple(Column(c["name"], c["data_type"].upper(), c["description"]) for c in model["columns"])
    return (Table("marts", FACTS, model["description"], columns), *map(_dimension, (name for _, name, _ in RELATIONS)))


def _dimension(name: str) -> Table:
    table = gold_table(name).table
    columns = tuple(column for column in table.columns if column.strictest != RESTRICTED)
    return Table("gold", name, table.description, columns)


@cache
def metrics() -> tuple[Metric, ...]:
    """Return the metrics in their order in dbt. Raises: ValueError for a kind without a counterpart in BI tools."""
    document = properties("metrics.yml")
    measures = {measure["name"]: measure for measure in document["semantic_models"][0]["measures"]}
    found: dict[str, Metric] = {}
    for item in document["metrics"]:
        given = item["type_params"]
        about = (item["name"], item["label"], item["description"], item["config"]["meta"]["format"])
        if item["type"] == "ratio":
            found[item["name"]] = Metric(*about, ratio=(found[given["numerator"]], found[given["denominator"]]))
            continue
        measure = measures[given["measure"]]
        if item["type"] != "simple" or measure["agg"] not in ("sum", "count_distinct"):
            raise ValueError(f"metric {item['name']}: only sums, distinct counts and ratios are written elsewhere")
        column = measure.get("expr", measure["name"])
        found[item["name"]] = Metric(*about, column=column, is_distinct=measure["agg"] == "count_distinct")
    return tuple(found.values())


def sql(metric: Metric) -> str:
    """Return the aggregate over sales as Spark SQL."""
    if metric.ratio:
        part, whole = map(sql, metric.ratio)
        return f"{part} / nullif({whole}, 0)"
    return f"COUNT(DISTINCT {metric.column})" if metric.is_distinct else f"SUM({metric.column})"
