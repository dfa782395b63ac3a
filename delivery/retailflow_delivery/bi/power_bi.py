"""Write a Power BI project (PBIP): the star schema as a semantic model in TMDL, with DirectQuery to the SQL warehouse.

Formats: Microsoft's references of TMDL and of the files of a Power BI Desktop project.
"""

import json
import uuid

from retailflow.contracts import Column
from retailflow_delivery.bi.model import FACTS, RELATIONS, Metric, Table, metrics, tables

_TYPES = {"STRING": "string", "DATE": "dateTime", "TIMESTAMP": "dateTime", "BOOLEAN": "boolean", "DOUBLE": "double"}
_FORMATS = {"amount": "#,0.00", "count": "#,0", "percent": "0.0 %"}
_SCHEMA = "https://developer.microsoft.com/json-schemas/fabric"
_SPACE = uuid.UUID("6f0d9e0c-6a5f-5b0e-9c57-2f4a4c1f7b11")  # derives stable ids for objects without one
_PARAMETERS = {
    "ServerHostname": ("adb-0000000000000000.0.azuredatabricks.net", "The workspace: its SQL warehouse's host."),
    "HttpPath": ("/sql/1.0/warehouses/00000000000000d0", "The SQL warehouse."),
    "Catalog": ("retailflow_dev", "The environment: retailflow_dev, retailflow_stg or retailflow_prod."),
}


def files() -> dict[str, str]:
    """Return the text of each file by its path below include/bi."""
    model = "power_bi/RetailFlow.SemanticModel"
    report = "power_bi/RetailFlow.Report"
    page = uuid.uuid5(_SPACE, "page").hex[:20]
    found = {
        "power_bi/RetailFlow.pbip": _json({"version": "1.0", "artifacts": [{"report": {"path": "RetailFlow.Report"}}]}),
        f"{model}/definition.pbism": _json({"version": "4.2", "settings": {}}),
        f"{model}/.platform": _platform("SemanticModel"),
        f"{model}/definition/database.tmdl": "database\n\tcompatibilityLevel: 1601\n",
        f"{model}/definition/model.tmdl": _model(),
        f"{model}/definition/expressions.tmdl": "\n".join(
            f'/// {why}\nexpression {name} = "{value}" meta [IsParameterQuery=true, Type="Text", '
            "IsParameterQueryRequired=true]\n"
            for name, (value, why) in _PARAMETERS.items()
        ),
        f"{model}/definition/relationships.tmdl": "\n".join(_relation(*relation) for relation in RELATIONS),
        f"{report}/.platform": _platform("Report"),
        f"{report}/definition.pbir": _json(
            {"version": "4.0", "datasetReference": {"byPath": {"path": "../RetailFlow.SemanticModel"}}}
        ),
        f"{report}/definition/version.json": _json(
            {"$schema": f"{_SCHEMA}/item/report/definition/versionMetadata/1.0.0/schema.json", "version": "2.0.0"}
        ),
        f"{report}/definition/report.json": _json(
            {
                "$schema": f"{_SCHEMA}/item/report/definition/report/1.0.0/schema.json",
                "themeCollection": {},
                "layoutOptimization": "None",
            }
        ),
        f"{report}/definition/pages/pages.json": _json(
            {
                "$schema": f"{_SCHEMA}/item/report/definition/pagesMetadata/1.0.0/schema.json",
                "pageOrder": [page],
                "activePageName": page,
            }
        ),
        f"{report}/definition/pages/{page}/page.json": _json(
            {
                "$schema": f"{_SCHEMA}/item/report/definition/page/1.0.0/schema.json",
                "name": page,
                "displayName": "Sales",
                "displayOption": "FitToPage",
                "height": 720,
                "width": 1280,
            }
        ),
    }
    return found | {f"{model}/definition/tables/{table.name}.tmdl": _table(table) for table in tables()}


def _model() -> str:
    refs = "".join(f"\nref table {table.name}" for table in tables())
    return f"model Model\n\tculture: en-US\n\tdefaultPowerBIDataSourceVersion: powerBI_V3\n{refs}\n"


def _table(table: Table) -> str:
    measures = "".join(map(_measure, metrics())) if table.name == FACTS else ""
    columns = "".join(_column(column) for column in table.columns if _type(column))
    return f"{_described(table.description, 0)}table {table.name}\n\n{measures}{columns}{_partition(table)}"


def _measure(metric: Metric) -> str:
    return (
        f"{_described(metric.description, 1)}\tmeasure {_quoted(metric.label)} = {_dax(metric)}\n"
        f"\t\tformatString: {_FORMATS[metric.format]}\n\n"
    )


def _dax(metric: Metric) -> str:
    if metric.ratio:
        part, whole = (f"[{one.label}]" for one in metric.ratio)
        return f"DIVIDE({part}, {whole})"
    function = "DISTINCTCOUNTNOBLANK" if metric.is_distinct else "SUM"
    return f"{function}({FACTS}[{metric.column}])"


def _column(column: Column) -> str:
    """Return a column without an implicit sum: measures define which values may be summed."""
    hidden = "\t\tisHidden\n" if column.name.endswith(("_sk", "_key")) else ""
    return (
        f"{_described(column.description, 1)}\tcolumn {column.name}\n\t\tdataType: {_type(column)}\n{hidden}"
        f"\t\tsummarizeBy: none\n\t\tsourceColumn: {column.name}\n\n"
    )


def _partition(table: Table) -> str:
    return f"""\
\tpartition {table.name} = m
\t\tmode: directQuery
\t\tsource =
\t\t\tlet
\t\t\t\tSource = Databricks.Catalogs(ServerHostname, HttpPath, [Catalog = Catalog]),
\t\t\t\tCatalogData = Source{{[Name = Catalog, Kind = "Database"]}}[Data],
\t\t\t\tSchemaData = CatalogData{{[Name = "{table.schema}", Kind = "Schema"]}}[Data],
\t\t\t\tTableData = SchemaData{{[Name = "{table.name}", Kind = "View"]}}[Data]
\t\t\tin
\t\t\t\tTableData
"""


def _relation(key: str, table: str, found: str) -> str:
    name = uuid.uuid5(_SPACE, f"{key} {table}")
    return f"relationship {name}\n\tfromColumn: {FACTS}.{key}\n\ttoColumn: {table}.{found}\n"


def _type(column: Column) -> str | None:
    """Return Power BI's type; None if it has none, for example for a list."""
    if column.type.startswith("DECIMAL"):
        return "decimal"
    return "int64" if column.type in ("INT", "BIGINT") else _TYPES.get(column.type)


def _described(text: str, depth: int) -> str:
    return f"{chr(9) * depth}/// {' '.join(text.split())}\n"


def _quoted(name: str) -> str:
    return f"'{name}'" if " " in name else name


def _platform(kind: str) -> str:
    return _json(
        {
            "$schema": f"{_SCHEMA}/gitIntegration/platformProperties/2.0.0/schema.json",
            "metadata": {"type": kind, "displayName": "RetailFlow"},
            "config": {"version": "2.0", "logicalId": str(uuid.uuid5(_SPACE, kind))},
        }
    )


def _json(value: object) -> str:
    return json.dumps(value, indent=2) + "\n"
