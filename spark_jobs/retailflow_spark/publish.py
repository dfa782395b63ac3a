"""SILVER to GOLD: recompute what changed since the table last looked, and nothing else.

Each GOLD table remembers, per source, the newest commit it has taken in (`ops.watermarks`). A run reads what later
commits changed, asks the table's transform which keys that touches, and makes their rows equal to what the sources now
say. It does not depend on the run's date, so any order of days, repetition or crash ends in the same rows: a crash
before the watermark only means that the same changes are looked at again.
"""

from collections.abc import Mapping
from importlib import import_module
from types import ModuleType

import pyarrow as pa
from pyspark.sql import DataFrame, Row
from pyspark.sql import functions as F

from retailflow.contracts import Column, GoldContract, Table, table
from retailflow_spark.gold.scope import bounded
from retailflow_spark.ledger import Counts, built_with
from retailflow_spark.tables import Tables, date_in

WATERMARKS = Table(
    name="ops.watermarks",
    description="The newest commit of each source that a GOLD table has taken in.",
    columns=(
        Column("target", "STRING", "GOLD table.", required=True),
        Column("source", "STRING", "Table it is built from; or the table itself.", required=True),
        Column(
            "version",
            "BIGINT",
            "Newest commit of the source taken in; its own that has it.",
            required=True,
        ),
    ),
    key=("target", "source", "version"),
)


BUILT_WITH = "retailflow.built_with"  # the property of a GOLD table with the digest of what made its rows
_KEYS = 200_000  # keys to recompute; more of them stay a query, which is asked anew wherever they are needed


def refresh(tables: Tables, contract: GoldContract) -> Counts:
    """Bring one GOLD table up to date with its sources.

    Two runs may do so at once. The one that read its sources earlier may write later, and undo what the other wrote; so
    a run that finds another's watermark beside its own looks again at everything since its start.
    """
    tables.create([WATERMARKS, contract.table, *map(table, contract.sources)])
    seen, written = _seen(tables, contract.table.name), 0
    wanted = built_with("gold", contract)
    is_outdated = tables.properties(contract.table.name).get(BUILT_WITH) != wanted
    if is_outdated and seen:
        print(f"{contract.table.name} was built with another contract or code: {_cost(tables, contract)}")
    while True:
        since = {source: tables.since(source, seen.get(source, 0)) for source in contract.sources}
        now = {source: version for source, (version, _) in since.items()}
        if seen and seen.items() >= now.items() and not is_outdated:
            return Counts(rows_written=written)
        is_new = is_outdated or not seen.keys() >= now.keys()
        written += _build(tables, contract) if is_new else _follow(tables, contract, since)
        _remember(tables, contract.table.name, seen, now)
        if is_outdated:
            tables.create([contract.table])  # its new rows may keep a check that its old ones broke
            tables.set_property(contract.table.name, BUILT_WITH, wanted)
            is_outdated = False
        if _seen(tables, contract.table.name).items() >= now.items():
            return Counts(rows_written=written)


def _cost(tables: Tables, contract: GoldContract) -> str:
    """What a rebuild of the table reads, as a sentence."""
    sizes = [tables.size(name) for name in (*contract.sources, contract.table.name)]
    read = f"{sum(files for files, _ in sizes):,} files with {sum(size for _, size in sizes) / 2**20:,.1f} MiB"
    return f"all of it is compared with its sources, {read}"


def watermarks(tables: Tables) -> list[Row]:
    """The newest version of each target and source."""
    return tables.read(WATERMARKS.name).groupBy("target", "source").agg(F.max("version").alias("version")).collect()


def forget(tables: Tables, target: str) -> None:
    """Let the next run of a GOLD table that nothing is built from compare all of it with its sources."""
    tables.delete(WATERMARKS, f"target = '{target}'")


def trim(tables: Tables) -> None:
    """Delete the watermarks that a newer one has replaced: only the newest of a source is ever asked for."""
    marks = watermarks(tables)
    older = (f"target = '{row.target}' AND source = '{row.source}' AND version < {row.version}" for row in marks)
    if marks:
        tables.delete(WATERMARKS, " OR ".join(f"({condition})" for condition in older))


def _build(tables: Tables, contract: GoldContract) -> int:
    """Make all of the table what its sources say; returns the number of rows written or deleted."""
    transform, inputs = _transform(contract), _inputs(tables, contract)
    if inputs[contract.table.name].isEmpty():
        tables.fill(contract.table, transform.rows(inputs, None))
        return tables.read(contract.table.name).count()
    return tables.make_equal(contract.table, transform.rows(inputs, None), None).num_affected_rows


def _follow(tables: Tables, contract: GoldContract, since: Mapping[str, tuple[int, int | None]]) -> int:
    """Write what follows from the sources' commits, by their newest and the first to look at; returns as `_build`."""
    transform, inputs = _transform(contract), _inputs(tables, contract)
    changed = {
        source: inputs[source].limit(0)
        if first is None
        else tables.value_changes(source, first, newest, table(source).value_names)
        for source, (newest, first) in since.items()
    }
    for name, (_, first) in since.items():
        if name.startswith("gold.dim_") and first is not None:
            changed[name], _ = _fetched(changed[name])
    scope, keys = _fetched(transform.scope(changed, inputs))
    if keys is not None and not keys.num_rows:
        return 0
    day, prune = contract.scope_date, None
    if keys is None and day:
        keys = scope.select(day).distinct().toArrow()
    inputs = bounded_inputs(contract, inputs, scope, keys)
    if day:
        prune = date_in(f"t.{day}", keys[day].unique().to_pylist())
    return tables.make_equal(contract.table, transform.rows(inputs, scope), scope, prune).num_affected_rows


def bounded_inputs(
    contract: GoldContract, inputs: Mapping[str, DataFrame], scope: DataFrame, keys: pa.Table | None
) -> Mapping[str, DataFrame]:
    """Of the sources and of the table itself, what rows in scope are made of, as far as literals tell.

    Args:
        keys: the rows of `scope`, or its dates, where they are fetched.
    """
    transform = _transform(contract)
    if hasattr(transform, "bounded"):  # it is made of other dates or keys than its own
        return transform.bounded(inputs, scope)
    return inputs if keys is None else bounded(inputs, contract, keys)


def _fetched(frame: DataFrame) -> tuple[DataFrame, pa.Table | None]:
    """The rows as literals of a query, and themselves; the frame as it is where they are too many."""
    rows = frame.limit(_KEYS + 1).toArrow()
    if rows.num_rows > _KEYS:
        return frame, None
    return frame.sparkSession.createDataFrame(rows, frame.schema), rows


def _transform(contract: GoldContract) -> ModuleType:
    return import_module(f"retailflow_spark.gold.{contract.name}")


def _inputs(tables: Tables, contract: GoldContract) -> dict[str, DataFrame]:
    return {name: tables.read(name) for name in (*contract.sources, contract.table.name)}


def _seen(tables: Tables, target: str) -> dict[str, int]:
    """Per source, the commit taken in, and the target's own that has it; nothing before the first time."""
    rows = tables.read(WATERMARKS.name).where(F.col("target") == target)
    newest = rows.groupBy("source").agg(F.max("version").alias("version")).collect()
    return {row.source: row.version for row in newest}


def _remember(tables: Tables, target: str, seen: dict[str, int], now: dict[str, int]) -> None:
    """What was taken in since, and the version of the target that has it."""
    _, own = tables.commits.get(target) or (0, tables.version(target))
    news = {**now, target: own}.items() - seen.items()
    rows = [(target, source, version) for source, version in sorted(news)]
    tables.append(tables.spark.createDataFrame(rows, "target string, source string, version bigint"), WATERMARKS)
