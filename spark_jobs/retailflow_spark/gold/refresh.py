"""SILVER to GOLD: recompute only rows whose sources changed since the table's last run.

Each run of a GOLD table records, per source, the newest commit that it has taken in (`taken` in `ops.runs`). A run
reads the changes of later commits, asks the table's transform for the affected keys, and rebuilds their rows. It does
not depend on the run's date, so any order of days, repetition or crash ends in the same rows: after a crash before that
record, the next run only processes the same changes again.
"""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime

from pyspark.errors import AnalysisException
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from retailflow.contracts import GoldContract, table
from retailflow_spark.delta.commits import Commit
from retailflow_spark.delta.reader import COMMIT, CommitsSince, is_absent
from retailflow_spark.delta.rows import date_in
from retailflow_spark.delta.schema import create
from retailflow_spark.delta.writer import Tables, Write
from retailflow_spark.gold.affected_keys import fetched_keys
from retailflow_spark.gold.transform import dimensions, transform_of
from retailflow_spark.job import run_log
from retailflow_spark.job.entry import Run
from retailflow_spark.job.run_log import Counts, built_with

BUILT_WITH = "retailflow.built_with"  # the property of a GOLD table with the fingerprint of its rows


def refresh(tables: Tables, contract: GoldContract, run: Run | None = None) -> Counts:
    """Bring one GOLD table up to date with its sources, and record the run (None: no job runs it).

    If no source has changed and the run log has a run of that date, it reads, writes and records nothing.

    Two runs may do so at once. The run that read its sources earlier may write later. It then undoes rows that the
    other run wrote, or rows that the other run found to be right. One of the two notices it: the run that commits later
    finds the commit of the other, and a run that records after the other has looked finds its record or, if it wrote
    nothing itself, its commit. It then processes all changes since its start again.
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
        print(f"{name} is rebuilt for a changed contract or code, or after an audit: {_cost(tables, contract)}")
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
        write, looked_at = _build(tables, contract) if is_new else _apply_changes(tables, contract, since, looked_at)
        writes.append(write)
        written += write.changed or 0
        newest, commits = tables.commits_since(name, base, write.recent)
        if len(commits) > len(write.versions):  # of another run, or of a try that died before its record
            base = newest
            continue
        own = write.versions[-1] if write.versions else base
        counts = Counts(rows_written=written)
        run_log.record(tables, run, contract, counts, writes=writes, taken={**now, name: own})
        is_on_record, recorded = True, recorded + 1
        if is_outdated:
            create(tables, [contract.table])  # the new rows may meet a check that the old rows broke
            tables.set_property(name, BUILT_WITH, wanted)
            is_outdated = False
        if write.versions:
            is_alone = not run_log.has_taken_more(tables, name, now, run.started_at, recorded)
        else:
            newest, commits = tables.commits_since(name, base)
            is_alone = not commits
        if is_alone:
            return counts
        base = newest


def _since(tables: Tables, contract: GoldContract, seen: Mapping[str, int]) -> dict[str, CommitsSince]:
    """Return per source the newest commit, and the commits that changed it and that the table has not taken in."""
    try:
        return {source: tables.commits_since(source, seen.get(source, 0)) for source in contract.sources}
    except AnalysisException as error:
        if not is_absent(error):
            raise
    create(tables, map(table, contract.sources))  # a source was dropped
    return {source: tables.commits_since(source, seen.get(source, 0)) for source in contract.sources}


def _cost(tables: Tables, contract: GoldContract) -> str:
    """Return what a rebuild of the table reads, as a sentence."""
    sizes = [tables.size(name) for name in (*contract.sources, contract.table.name)]
    read = f"{sum(files for files, _ in sizes):,} files with {sum(size for _, size in sizes) / 2**20:,.1f} MiB"
    return f"all of it is compared with its sources, {read}"


def forget(tables: Tables, target: str) -> None:
    """Make the next run of a GOLD table compare all its rows with the sources."""
    tables.set_property(target, BUILT_WITH, "")


def _build(tables: Tables, contract: GoldContract) -> tuple[Write, None]:
    """Build the whole table from its sources."""
    transform, inputs = transform_of(contract), _inputs(tables, contract)
    if inputs[contract.table.name].isEmpty():
        write = tables.initial_load(contract.table, transform.build(inputs, None))
        return replace(write, changed=tables.read(contract.table.name).count()), None
    return tables.sync_rows(contract.table, transform.build(inputs, None), None), None


def _apply_changes(
    tables: Tables, contract: GoldContract, since: Mapping[str, CommitsSince], also: DataFrame | None
) -> tuple[Write, DataFrame]:
    """Recompute the rows that the sources' commits affect.

    Args:
        since: the result of `_since`.
        also: further keys to recompute.

    Returns: the write, and all recomputed keys.
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
    """Return the rows of a source that commits changed; for a dimension as `Tables.value_changes` returns them."""
    if not commits:
        return rows.limit(0).select("*", F.lit(0).alias("_net"), F.lit(0).alias(COMMIT))
    found = tables.value_changes(source, commits, table(source).value_names)
    return fetched_keys(found)[0] if source in dimensions() else found.drop("_net", COMMIT)


def _inputs(tables: Tables, contract: GoldContract) -> dict[str, DataFrame]:
    return {name: tables.read(name) for name in (*contract.sources, contract.table.name)}
