"""SILVER to GOLD: recompute what changed since the table last looked, and nothing else.

Each run of a GOLD table records, per source, the newest commit it has taken in (`taken` in `ops.runs`). A run reads
what later commits changed, asks the table's transform which keys that touches, and makes their rows equal to what the
sources now say. It does not depend on the run's date, so any order of days, repetition or crash ends in the same rows:
a crash before that record only means that the same changes are looked at again.
"""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime

from pyspark.errors import AnalysisException
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from retailflow.contracts import GoldContract, table
from retailflow_spark.delta.commits import Commit
from retailflow_spark.delta.reader import COMMIT, is_absent
from retailflow_spark.delta.rows import date_in
from retailflow_spark.delta.schema import create
from retailflow_spark.delta.writer import Tables, Write
from retailflow_spark.gold.affected_keys import fetched_keys
from retailflow_spark.gold.transform import dimensions, transform_of
from retailflow_spark.job import run_log
from retailflow_spark.job.entry import Run
from retailflow_spark.job.run_log import Counts, built_with

BUILT_WITH = "retailflow.built_with"  # the property of a GOLD table with the digest of what made its rows


def refresh(tables: Tables, contract: GoldContract, run: Run | None = None) -> Counts:
    """Bring one GOLD table up to date with its sources, and record the run (None: nobody asked for it).

    Where no source has changed and a run of that date is on record, nothing is read, written or recorded.

    Two runs may do so at once. The one that read its sources earlier may write later, and undo what the other wrote, or
    what the other found to be right as it was. One of the two finds that out, since each looks after its own record
    whether there is a commit or a record of another, and then looks again at everything since its start.
    """
    name, written = contract.table.name, 0
    writes: list[Write] = []
    run = run or Run.alone("gold", contract.name, datetime.now(UTC).date())
    run_log.create(tables)
    (seen, is_on_record), wanted = run_log.taken_by(tables, contract, run.date), built_with("gold", contract)
    is_outdated, recorded = (tables.properties(name) or {}).get(BUILT_WITH) != wanted, 0
    if is_outdated or not seen:
        create(tables, [contract.table, *map(table, contract.sources)])
    if is_outdated and seen:
        print(f"{name} is built anew, for another contract or code, or an audit: {_cost(tables, contract)}")
    base, looked_at = seen[name] if name in seen else tables.version(name), None
    while True:
        since = _since(tables, contract, seen)
        now = {source: newest for source, (newest, _) in since.items()}
        is_anew = any(seen.get(source, 0) > version for source, version in now.items())  # a source was dropped
        is_new = is_outdated or is_anew or not seen.keys() >= now.keys()
        if not is_new and not any(commits for _, commits in since.values()):
            if is_on_record:
                run_log.print_unchanged(name)
            else:
                counts = Counts(rows_written=written)
                run_log.record(tables, run, contract, counts, writes=writes, taken={**now, name: base})
            return Counts(rows_written=written)
        write, looked_at = _build(tables, contract) if is_new else _follow(tables, contract, since, looked_at)
        writes.append(write)
        written += write.changed or 0
        own = write.versions[-1] if write.versions else base
        counts = Counts(rows_written=written)
        run_log.record(tables, run, contract, counts, writes=writes, taken={**now, name: own})
        is_on_record, recorded = True, recorded + 1
        if is_outdated:
            create(tables, [contract.table])  # its new rows may keep a check that its old ones broke
            tables.set_property(name, BUILT_WITH, wanted)
            is_outdated = False
        newest, commits = tables.commits_after(name, base, write.recent)
        is_alone = len(commits) == len(write.versions)
        if is_alone and not (write.versions and run_log.has_taken_more(tables, name, now, run.started_at, recorded)):
            return counts
        base = newest


def _since(tables: Tables, contract: GoldContract, seen: Mapping[str, int]) -> dict[str, tuple[int, list[Commit]]]:
    """Of each source the newest commit, and those that changed it and were not taken in."""
    try:
        return {source: tables.commits_after(source, seen.get(source, 0)) for source in contract.sources}
    except AnalysisException as error:
        if not is_absent(error):
            raise
    create(tables, map(table, contract.sources))  # one was dropped
    return {source: tables.commits_after(source, seen.get(source, 0)) for source in contract.sources}


def _cost(tables: Tables, contract: GoldContract) -> str:
    """What a rebuild of the table reads, as a sentence."""
    sizes = [tables.size(name) for name in (*contract.sources, contract.table.name)]
    read = f"{sum(files for files, _ in sizes):,} files with {sum(size for _, size in sizes) / 2**20:,.1f} MiB"
    return f"all of it is compared with its sources, {read}"


def forget(tables: Tables, target: str) -> None:
    """Let the next run of a GOLD table compare all of it with its sources."""
    tables.set_property(target, BUILT_WITH, "")


def _build(tables: Tables, contract: GoldContract) -> tuple[Write, None]:
    """Build the whole table from its sources."""
    transform, inputs = transform_of(contract), _inputs(tables, contract)
    if inputs[contract.table.name].isEmpty():
        write = tables.fill(contract.table, transform.build(inputs, None))
        return replace(write, changed=tables.read(contract.table.name).count()), None
    return tables.sync_rows(contract.table, transform.build(inputs, None), None), None


def _follow(
    tables: Tables, contract: GoldContract, since: Mapping[str, tuple[int, list[Commit]]], also: DataFrame | None
) -> tuple[Write, DataFrame]:
    """Write what follows from the sources' commits.

    Args:
        since: as of `_since`.
        also: keys that are looked at too.

    Returns: the write, and the keys that were looked at.
    """
    transform, inputs = transform_of(contract), _inputs(tables, contract)
    changed = {source: _changed(tables, source, inputs[source], commits) for source, (_, commits) in since.items()}
    keys = transform.affected_keys(changed, inputs)
    keys, rows = fetched_keys(keys if also is None else keys.union(also).distinct())
    if rows is not None and not rows.num_rows:
        return Write(contract.table.name, changed=0), keys
    day, prune, is_small = contract.affected_date, None, rows is not None
    if day:
        rows = keys.select(day).distinct().toArrow() if rows is None else rows
        prune = date_in(f"t.{day}", rows[day].unique().to_pylist())
    wanted = transform.build(transform.prune(inputs, contract, keys, rows), keys)
    return tables.sync_rows(contract.table, wanted, keys, prune, is_small=is_small), keys


def _changed(tables: Tables, source: str, rows: DataFrame, commits: list[Commit]) -> DataFrame:
    """What commits changed of a source; of a dimension as `Tables.value_changes` gives it, for `gold.lookup`."""
    if not commits:
        return rows.limit(0).select("*", F.lit(0).alias("_net"), F.lit(0).alias(COMMIT))
    found = tables.value_changes(source, commits, table(source).value_names)
    return fetched_keys(found)[0] if source in dimensions() else found.drop("_net", COMMIT)


def _inputs(tables: Tables, contract: GoldContract) -> dict[str, DataFrame]:
    return {name: tables.read(name) for name in (*contract.sources, contract.table.name)}
