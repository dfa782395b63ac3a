"""Publish GOLD: readers see audited versions of the tables, and all tables move at once.

Jobs build in `gold_build`. `ops.releases` is the publish pointer: each row names the version of every table that
readers see from then on. One view, `gold_build.released`, contains all tables at those versions, and the views `gold.*`
read from it. So replacing that one view moves every table in the same instant (docs/adr/0004).
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from hashlib import md5

from pyspark.sql import functions as F

from retailflow.contracts import Column, GoldContract, Table, built_from, gold_table, gold_tables
from retailflow.contracts.ddl import create_view
from retailflow.contracts.privacy import masked
from retailflow_spark.delta.schema import create
from retailflow_spark.delta.writer import Tables
from retailflow_spark.gold.refresh import forget, refresh
from retailflow_spark.job import run_log
from retailflow_spark.job.entry import Run
from retailflow_spark.job.run_log import Counts
from retailflow_spark.publish.audits import Audit, Finding, audits, find
from retailflow_spark.publish.candidate import Candidate

RELEASES = Table(
    name="ops.releases",
    description="The publish pointer: the newest row names the version of each GOLD table that readers see.",
    columns=(
        Column("release", "BIGINT", "Number of the release, from 1.", required=True),
        Column("versions", "MAP<STRING, BIGINT>", "Per GOLD table, the Delta version.", required=True),
        Column("moved", "ARRAY<STRING>", "The tables that this release moved.", required=True),
        Column("databricks_run_id", "STRING", "The run that published.", required=True),
        Column("published_at", "TIMESTAMP", "When.", required=True),
    ),
    key=("release",),
)
_RELEASED = "gold_build.released"
Versions = dict[str, int]


class AuditError(RuntimeError):
    """An audit blocks a table. Readers keep its last good version, and those of the tables built from it."""


@dataclass
class PublicationPlan:
    """The versions to publish, what the audits found, and the tables that an audit blocks."""

    versions: Versions
    findings: list[Finding] = field(default_factory=list)
    blocked: set[str] = field(default_factory=set)

    def drop(self, name: str) -> None:
        """Remove a table and the tables built from it."""
        for dropped in _with_dependants(name):
            self.versions.pop(dropped, None)


def publish(tables: Tables, run: Run | None = None) -> PublicationPlan:
    """Publish the tables that were built since the last release and pass their audits. Records the run (None: no job).

    Safe to repeat and to run several times at once.
    """
    create(tables, [RELEASES])
    run_log.create(tables)
    run = run or Run.alone("publish", "publish", datetime.now(UTC).date())
    while True:
        number, published = newest(tables)
        plan = _plan(tables, published)
        if not plan.versions:
            break
        if _advance(tables, number + 1, published, plan.versions, run.databricks_run_id):
            number, published = number + 1, {**published, **plan.versions}
            break  # else another run published at the same time: plan again
    swap_views(tables, number, published)
    _report(tables, plan, run)
    return plan


def publish_or_fail(tables: Tables, run: Run | None = None) -> None:
    """Publish. If an audit blocks a table, rebuild it and the tables built from it, and publish again.

    Its rows may be wrong although no source has changed: somebody changed them by hand, or an older release built them.

    Raises: AuditError, which names the tables that still break an audit. All others are published.
    """
    if blocked := publish(tables, run).blocked:
        for name in blocked:
            forget(tables, name)
        for name in _with_dependants(*blocked):
            refresh(tables, gold_table(name.removeprefix("gold.")))
        plan = publish(tables, run)
        if found := [one for one in plan.findings if one.table in plan.blocked and one.rule.is_blocking]:
            raise AuditError(f"Blocked, readers keep the last good version. {'; '.join(map(str, found))}")


def follow_maintenance(tables: Tables, databricks_run_id: str) -> None:
    """Release the newest version of each table that only maintenance has moved; its rows are the same.

    Delta keeps a version readable for the retention of its table, and the newest version forever. Without this
    function, maintenance or the next build would make a released version unreadable that is older than the retention.
    """
    while True:
        number, published = newest(tables)
        since = {name: tables.commits_since(name, version) for name, version in published.items()}
        moved = {name: one.newest for name, one in since.items() if one.newest > published[name] and not one.changes}
        if not moved or _advance(tables, number + 1, published, moved, databricks_run_id):
            break
    swap_views(tables, *newest(tables))


def newest(tables: Tables) -> tuple[int, Versions]:
    """Return the number of the newest release and its versions; 0 and no versions before the first release."""
    row = tables.read(RELEASES.name).orderBy(F.col("release").desc()).select("release", "versions").first()
    return (row.release, dict(row.versions)) if row else (0, {})


def swap_views(tables: Tables, number: int, versions: Versions) -> None:
    """Make the views show the newest release, even if the run that published it died before it swapped them."""
    while _shown(tables) < number:
        contracts = [contract for contract in gold_tables() if contract.table.name in versions]
        branches = (_branch(tables, contract, versions[contract.table.name], contracts) for contract in contracts)
        # CREATE OR REPLACE would drop the view first: in open-source Spark it would be missing for a moment.
        verb = "ALTER VIEW" if _exists(tables, tables.path(_RELEASED)) else "CREATE VIEW IF NOT EXISTS"
        union = " UNION ALL ".join(f"SELECT {number} AS release, {branch}" for branch in branches)
        tables.spark.sql(f"{verb} {tables.path(_RELEASED)} AS {union}")
        for view in outdated_views(tables, versions):
            tables.spark.sql(view)
        # A run that read the pointer before the newest release may have swapped the views last. So check again.
        number, versions = newest(tables)


def outdated_views(tables: Tables, released: Versions) -> list[str]:
    """Return the statements that update the views `gold.*` to their contracts and the group of `tables`, if any differ.

    In these views restricted columns are NULL for readers outside the group (docs/adr/0008).
    """
    outdated = []
    for contract in (contract for contract in gold_tables() if contract.table.name in released):
        view = f"{tables.catalog}.gold.{contract.name}"
        columns = (masked(c, f"{contract.name}.{c.name}", tables.restricted_group) for c in contract.table.columns)
        query = f"SELECT {', '.join(columns)} FROM {tables.path(_RELEASED)} WHERE name = '{contract.name}'"
        digest = md5(f"{query} {contract.table}".encode()).hexdigest()
        if _digest(tables, view) != digest:
            outdated.append(create_view(contract.table, view, query, digest))
    return outdated


def _with_dependants(*names: str) -> list[str]:
    """Return these GOLD tables and the tables built from them, directly or indirectly. Each comes after its sources."""
    found = {*names, *(contract.table.name for contract in built_from(names))}
    return [contract.table.name for contract in gold_tables() if contract.table.name in found]


def _plan(tables: Tables, published: Mapping[str, int]) -> PublicationPlan:
    built, seen = _built(tables)
    plan = PublicationPlan({name: version for name, version in built.items() if published.get(name, -1) < version})
    behind = {
        contract.table.name
        for contract in gold_tables()
        for source in contract.sources
        if source in built and seen.get((contract.table.name, source), -1) < built[source]
    }
    for name in behind:  # a run that is in progress rebuilds it
        plan.drop(name)
    while plan.versions:
        candidate = Candidate(tables, {**published, **plan.versions}, published)
        asked = [audit for audit in audits() if _concerns(audit, candidate.wanted, plan.versions)]
        found = find(asked, candidate)
        failed = [(audit, finding) for audit, finding in found if finding.rule.is_blocking]
        # Skip findings about tables that are about to be rebuilt.
        plan.findings += [finding for audit, finding in failed or found if audit.table not in behind]
        for audit, _ in failed:
            if audit.table not in behind:
                plan.blocked.add(audit.table)
            # If the failing table is not being published, block the tables that it reads.
            for name in (audit.table,) if audit.table in plan.versions else audit.looks_at:
                plan.drop(name)
        if not failed:
            break
    return plan


def _concerns(audit: Audit, wanted: Mapping[str, int], moving: Mapping[str, int]) -> bool:
    return all(name in wanted for name in audit.looks_at) and any(name in moving for name in audit.looks_at)


def _built(tables: Tables) -> tuple[Versions, dict[tuple[str, str], int]]:
    """Return the version of each GOLD table after its last run, and the version of each source it had taken in."""
    taken = run_log.taken(tables, [contract.table.name for contract in gold_tables()])
    own = {name: known[name] for name, known in taken.items() if name in known}
    return own, {(name, source): version for name, known in taken.items() for source, version in known.items()}


def _advance(tables: Tables, number: int, published: Versions, moved: Versions, databricks_run_id: str) -> bool:
    """Add the release, unless another run has added one of this number. Returns whether it was added."""
    values = (number, {**published, **moved}, sorted(moved), databricks_run_id, datetime.now(UTC))
    return tables.insert_if_absent([dict(zip(RELEASES.column_names, values, strict=True))], RELEASES) == 1


def _report(tables: Tables, plan: PublicationPlan, run: Run) -> None:
    findings = [
        {"audit": found.rule.name, "name": found.table.removeprefix("gold."), "is_blocking": found.rule.is_blocking}
        | {"broken_count": found.count, "sentence": found.rule.sentence}
        for found in plan.findings
    ]
    for found in plan.findings:
        print(f"{'blocked' if found.rule.is_blocking else 'warning'}: {found}")
    if plan.versions:
        print(f"published: {', '.join(sorted(plan.versions))}")
    run_log.record(tables, run, None, Counts(), is_success=not plan.blocked, findings=findings)


def _shown(tables: Tables) -> int:
    """Return the number of the release that the views show, from the text of the view; 0 without a view."""
    view = tables.path(_RELEASED)
    if not _exists(tables, view):
        return 0
    text = tables.spark.sql(f"DESCRIBE TABLE EXTENDED {view}").where("col_name = 'View Text'").first().data_type
    if found := re.match(r"SELECT (\d+) AS release", text):
        return int(found[1])
    raise ValueError(f"{view} does not say its release. Drop this view; the next publication makes it again.")


def _digest(tables: Tables, view: str) -> str | None:
    if not _exists(tables, view):
        return None
    properties = {row.key: row.value for row in tables.spark.sql(f"SHOW TBLPROPERTIES {view}").collect()}
    return properties.get("digest")


def _exists(tables: Tables, view: str) -> bool:
    return tables.spark.catalog.tableExists(view)


def _branch(tables: Tables, contract: GoldContract, version: int, all_: list[GoldContract]) -> str:
    """Return one table of the union, as a struct in a column of its own. The columns of other tables are null."""
    struct = ", ".join(f"'{name}', {name}" for name in contract.table.column_names)
    columns = (f"named_struct({struct})" if other is contract else "NULL" for other in all_)
    named = ", ".join(f"{value} AS {other.name}" for value, other in zip(columns, all_, strict=True))
    return f"'{contract.name}' AS name, {named} FROM {tables.path(contract.table.name)} VERSION AS OF {version}"
