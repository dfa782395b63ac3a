"""SILVER to GOLD: recompute what changed since the table last looked, and nothing else.

Each run of a GOLD table records, per source, the newest commit it has taken in (`taken` in `ops.runs`). A run reads
what later commits changed, asks the table's transform which keys that touches, and makes their rows equal to what the
sources now say. It does not depend on the run's date, so any order of days, repetition or crash ends in the same rows:
a crash before that record only means that the same changes are looked at again.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from importlib import import_module
from types import ModuleType

import pyarrow as pa
from pyspark.sql import DataFrame

from retailflow.contracts import GoldContract, table
from retailflow_spark import run_log
from retailflow_spark.gold.scope import bounded
from retailflow_spark.job import Run
from retailflow_spark.run_log import Counts, built_with
from retailflow_spark.tables import Tables, date_in

BUILT_WITH = "retailflow.built_with"  # the property of a GOLD table with the digest of what made its rows
_KEYS = 200_000  # keys to recompute; more of them stay a query, which is asked anew wherever they are needed


def refresh(tables: Tables, contract: GoldContract, run: Run | None = None) -> Counts:
    """Bring one GOLD table up to date with its sources, and record the run (None: nobody asked for it).

    Two runs may do so at once. The one that read its sources earlier may write later, and undo what the other wrote; so
    a run that finds that another has taken in something newer looks again at everything since its start.
    """
    name, written = contract.table.name, 0
    run = run or Run.alone("gold", contract.name, datetime.now(UTC).date())
    tables.create([contract.table, *map(table, contract.sources)])
    run_log.create(tables)
    seen, wanted = run_log.taken(tables, [name])[name], built_with("gold", contract)
    is_outdated = tables.properties(name).get(BUILT_WITH) != wanted
    if is_outdated and seen:
        print(f"{name} is built anew, for another contract or code, or an audit: {_cost(tables, contract)}")
    while True:
        since = {source: tables.since(source, seen.get(source, 0)) for source in contract.sources}
        now = {source: version for source, (version, _) in since.items()}
        if seen and seen.items() >= now.items() and not is_outdated:
            run_log.record(tables, run, contract, Counts(rows_written=written))
            return Counts(rows_written=written)
        is_new = is_outdated or not seen.keys() >= now.keys()
        written += _build(tables, contract) if is_new else _follow(tables, contract, since)
        _, own = tables.commits.get(name) or (0, tables.version(name))
        run_log.record(tables, run, contract, Counts(rows_written=written), taken={**now, name: own})
        if is_outdated:
            tables.create([contract.table])  # its new rows may keep a check that its old ones broke
            tables.set_property(name, BUILT_WITH, wanted)
            is_outdated = False
        if run_log.taken(tables, [name])[name].items() >= now.items():
            return Counts(rows_written=written)


def _cost(tables: Tables, contract: GoldContract) -> str:
    """What a rebuild of the table reads, as a sentence."""
    sizes = [tables.size(name) for name in (*contract.sources, contract.table.name)]
    read = f"{sum(files for files, _ in sizes):,} files with {sum(size for _, size in sizes) / 2**20:,.1f} MiB"
    return f"all of it is compared with its sources, {read}"


def forget(tables: Tables, target: str) -> None:
    """Let the next run of a GOLD table compare all of it with its sources."""
    tables.set_property(target, BUILT_WITH, "")


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
