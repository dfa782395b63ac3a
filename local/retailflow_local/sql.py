"""`./retailflow sql "SELECT …"`: query any table of the local lakehouse, with a table, CSV or Parquet as the result."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from rich.table import Table

from retailflow_local.console import console, visible
from retailflow_local.errors import WorkspaceError
from retailflow_local.jobs_api.errors import ApiError
from retailflow_local.jobs_api.warehouse import query_of
from retailflow_local.spark_client import session
from retailflow_local.workspace import Workspace

if TYPE_CHECKING:
    import pyarrow

SHOWN = 100


def run(workspace: Workspace, statement: str, output: Path | None, *, as_csv: bool) -> None:
    """Print the rows, or write them to a file that ends in .csv or .parquet. Tables are named `schema.table`.

    Raises:
        WorkspaceError: it is not a query, Spark refuses it, the file has another ending, or the workspace does not run.
    """
    if output and output.suffix not in (".csv", ".parquet"):
        raise WorkspaceError(f"{output}: the name of the file must end in .csv or .parquet.")
    workspace.require_spark()
    from pyarrow import csv, parquet
    from pyspark.errors import PySparkException

    try:
        with session(workspace.spark_remote) as spark:
            rows = spark.sql(query_of(statement)).toArrow()
    except ApiError as error:
        raise WorkspaceError("Only a query is run here: it begins with SELECT, WITH or VALUES.") from error
    except PySparkException as error:
        raise WorkspaceError(str(error).partition("\n\nJVM stacktrace")[0]) from error
    if output and output.suffix == ".parquet":
        parquet.write_table(rows, output)
    elif output or as_csv:
        csv.write_csv(rows, output or sys.stdout.buffer)
    else:
        _print(rows)


def _print(rows: "pyarrow.Table") -> None:
    table = Table(*rows.column_names)
    for row in rows.slice(0, SHOWN).to_pylist():
        table.add_row(*("" if value is None else visible(str(value)) for value in row.values()))
    console.print(table, markup=False)
    more = f", the first {SHOWN} shown; --csv or --output has all" if rows.num_rows > SHOWN else ""
    console.print(f"{rows.num_rows:,} rows{more}")
