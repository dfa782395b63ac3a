"""Write the pages from the descriptions of `tables.py`: one page per table, and an index that finds any column."""

import json
import shutil
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from jinja2 import Environment, FileSystemLoader

from retailflow_local import dbt
from retailflow_local.dictionary.tables import LAYERS, Field, Page, pages
from retailflow_local.downloads import Progress
from retailflow_local.spark_client import session
from retailflow_local.workspace import Workspace
from retailflow_spark.delta.writer import Tables

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

_HERE = Path(__file__).parent
_MASKED = "•••"
_SHOWN = 60  # characters of an example


def run(workspace: Workspace, on_step: Progress) -> Path:
    """Write the site to `docs/` under the workspace's root and return its first page.

    It starts the processes that it needs, and stops them at the end.

    Raises:
        WorkspaceError: there are no tables yet, or dbt fails.
    """
    with workspace.running(on_step=on_step):
        on_step("Marts", "")
        dbt.build(workspace, "run")
        on_step("Lineage", "")
        compiled = workspace.root / "dbt" / "target" / "compiled" / "retailflow" / "models"
        with session(workspace.spark_remote, is_serverless=False) as spark:  # lineage sets maxToStringFields
            found = [_with_examples(spark, page) for page in pages(Tables(spark, "spark_catalog"), compiled)]
    on_step("Pages", "")
    return write(found, workspace.root / "docs")


def write(found: list[Page], folder: Path) -> Path:
    """Write all pages, in place of the existing ones, and return the first."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    templates = Environment(loader=FileSystemLoader(_HERE), autoescape=True, trim_blocks=True, lstrip_blocks=True)
    known = {page.name: {field.name for field in page.fields} for page in found}
    templates.globals |= {"address": lambda source: _address(source, known), "layers": LAYERS, "pages": found}
    users = _users(found, known)
    for page in found:
        text = templates.get_template("table.html").render(page=page, users=users)
        (folder / f"{page.name}.html").write_text(text)
    index = [
        {"at": f"{page.name}.html#{field.name}", "name": f"{page.name}.{field.name}", "says": field.description}
        for page in found
        for field in page.fields
    ]
    (folder / "index.html").write_text(templates.get_template("index.html").render())
    (folder / "search.js").write_text(f"const COLUMNS = {json.dumps(index)};\n{(_HERE / 'search.js').read_text()}")
    shutil.copy(_HERE / "style.css", folder)
    return folder / "index.html"


def _address(source: str, known: dict[str, set[str]]) -> str:
    """Return the link to a column's description: to the field if its page has it, else to the column around it."""
    schema, table, *path = source.split(".")
    while path and ".".join(path) not in known.get(f"{schema}.{table}", ()):
        path.pop()
    return f"{schema}.{table}.html" + (f"#{'.'.join(path)}" if path else "")


def _users(found: Iterable[Page], known: dict[str, set[str]]) -> dict[str, list[str]]:
    """Return, for each link to a column, the columns that are made from this column."""
    users: dict[str, list[str]] = defaultdict(list)
    for page in found:
        for field in page.fields:
            for source in field.sources:
                users[_address(source, known)].append(f"{page.name}.{field.name}")
    return users


def _with_examples(spark: "SparkSession", page: Page) -> Page:
    """Return the page with an example from the local tables for each column that is not classified."""
    if page.layer not in ("silver", "gold", "marts"):
        return page
    chosen = [field for field in page.fields if _may_show(field)]
    values = spark.sql(f"SELECT {', '.join(f'max({f.name}) AS {f.name}' for f in chosen)} FROM {page.name}").first()
    examples = {name: "" if value is None else str(value)[:_SHOWN] for name, value in values.asDict().items()}
    fields = (replace(f, example=examples.get(f.name, _MASKED if _is_secret(f) else "")) for f in page.fields)
    return replace(page, fields=tuple(fields))


def _is_secret(field: Field) -> bool:
    return field.classification in ("restricted", "confidential")


def _may_show(field: Field) -> bool:
    return not _is_secret(field) and "." not in field.name and not field.type.startswith(("ARRAY", "STRUCT"))
