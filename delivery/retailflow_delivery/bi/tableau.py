"""Write a Tableau data source (.tds): the star schema, live on the SQL warehouse, with metrics as calculated fields."""

from xml.etree import ElementTree as xml

from retailflow.contracts import Column
from retailflow_delivery.bi.model import FACTS, RELATIONS, Metric, Table, metrics, tables

_TYPES = {"STRING": "string", "DATE": "date", "TIMESTAMP": "datetime", "BOOLEAN": "boolean"}
_FORMATS = {"amount": "n#,##0.00", "count": "n#,##0", "percent": "p0.0%"}
_CONNECTION = "databricks.retailflow"
_SERVER = "adb-0000000000000000.0.azuredatabricks.net"
_HTTP_PATH = "/sql/1.0/warehouses/00000000000000d0"


def files() -> dict[str, str]:
    """Return the text of the file by its path below include/bi."""
    source = xml.Element("datasource", {"formatted-name": "RetailFlow", "inline": "true", "version": "18.1"})
    federated = xml.SubElement(source, "connection", {"class": "federated"})
    named = xml.SubElement(xml.SubElement(federated, "named-connections"), "named-connection", name=_CONNECTION)
    place = {"class": "databricks", "server": _SERVER, "v-http-path": _HTTP_PATH, "dbname": "retailflow_dev"}
    xml.SubElement(named, "connection", place | {"schema": "gold", "authentication": "oauth"})
    facts, *dimensions = tables()
    federated.append(_joined(facts, dimensions))
    columns = xml.SubElement(federated, "cols")
    for table in (facts, *dimensions):
        for column in _of(table):
            xml.SubElement(columns, "map", key=_name(table, column), value=f"[{table.name}].[{column.name}]")
    for table in (facts, *dimensions):
        for column in _of(table):
            _field(source, table, column)
    for metric in metrics():
        _calculation(source, metric)
    xml.indent(source)
    return {"tableau/RetailFlow.tds": f'<?xml version="1.0" encoding="utf-8"?>\n{xml.tostring(source, "unicode")}\n'}


def _joined(facts: Table, dimensions: list[Table]) -> xml.Element:
    """Return sales, left joined with each dimension."""
    relation = _relation(facts)
    for (key, _, found), table in zip(RELATIONS, dimensions, strict=True):
        join = xml.Element("relation", join="left", type="join")
        equal = xml.SubElement(xml.SubElement(join, "clause", type="join"), "expression", op="=")
        xml.SubElement(equal, "expression", op=f"[{FACTS}].[{key}]")
        xml.SubElement(equal, "expression", op=f"[{table.name}].[{found}]")
        join.extend([relation, _relation(table)])
        relation = join
    return relation


def _relation(table: Table) -> xml.Element:
    place = f"[{table.schema}].[{table.name}]"
    return xml.Element("relation", connection=_CONNECTION, name=table.name, table=place, type="table")


def _of(table: Table) -> list[Column]:
    return [column for column in table.columns if _type(column)]


def _name(table: Table, column: Column) -> str:
    return f"[{column.name}]" if table.name == FACTS else f"[{column.name} ({table.name})]"


def _field(source: xml.Element, table: Table, column: Column) -> None:
    """Add a column as a dimension, numbers too: the calculated fields define which values may be summed."""
    kind = "ordinal" if _type(column) in ("date", "datetime", "integer") else "nominal"
    about = {"caption": _name(table, column)[1:-1], "datatype": _type(column), "name": _name(table, column)}
    field = xml.SubElement(source, "column", about | {"role": "dimension", "type": kind})
    _describe(field, column.description)


def _calculation(source: xml.Element, metric: Metric) -> None:
    about = {"caption": metric.label, "datatype": "real", "name": f"[{metric.name}]", "role": "measure"}
    field = xml.SubElement(
        source, "column", about | {"type": "quantitative", "default-format": _FORMATS[metric.format]}
    )
    xml.SubElement(field, "calculation", {"class": "tableau", "formula": _formula(metric)})
    _describe(field, metric.description)


def _formula(metric: Metric) -> str:
    if metric.ratio:
        part, whole = map(_formula, metric.ratio)
        return f"{part} / {whole}"
    return f"{'COUNTD' if metric.is_distinct else 'SUM'}([{metric.column}])"


def _describe(field: xml.Element, text: str) -> None:
    formatted = xml.SubElement(xml.SubElement(field, "desc"), "formatted-text")
    xml.SubElement(formatted, "run").text = " ".join(text.split())


def _type(column: Column) -> str:
    """Return Tableau's type; empty if it has none, for example for a list."""
    if column.type.startswith("DECIMAL") or column.type == "DOUBLE":
        return "real"
    return "integer" if column.type in ("INT", "BIGINT") else _TYPES.get(column.type, "")
