"""The changes that GOLD reads from the commits of a table: the fast way, if they only insert, and the other."""

from dataclasses import replace

import pytest

from retailflow.contracts import Column, Table
from retailflow_spark.delta.schema import create

COUNTED = Table(
    name="gold.counted",
    description="A test's.",
    columns=(
        Column("id", "STRING", "Key.", required=True),
        Column("version", "INT", "Order.", required=True),
        Column("amount", "INT", "Value."),
    ),
    key=("id",),
)
VALUES = ["id", "amount"]


@pytest.fixture
def put(tables):
    """`put(("A", 1, 10), …)`: merges these rows, all of them new if `new` is true; returns the new commits."""
    create(tables, [COUNTED])

    def merge(*rows, new=False):
        before = tables.version(COUNTED.name)
        frame = tables.spark.createDataFrame(list(rows), "id STRING, version INT, amount INT")
        tables.upsert_latest(frame, COUNTED, ("version",), None, len(rows) if new else None)
        return tables.commits_since(COUNTED.name, before)[1]

    return merge


def changed(tables, commits):
    return sorted(
        (row.id, row.amount, row._net) for row in tables.value_changes(COUNTED.name, commits, VALUES).collect()
    )


def test_commits_that_only_insert_are_known_and_both_ways_say_the_same_of_them(tables, put):
    commits = put(("A", 1, 10), ("B", 1, 20), new=True) + put(("C", 1, 30))
    assert [one.only_inserts for one in commits] == [True, True]
    both = [commits, [replace(one, only_inserts=False) for one in commits]]
    assert [changed(tables, one) for one in both] == 2 * [[("A", 10, 1), ("B", 20, 1), ("C", 30, 1)]]


def test_a_row_that_is_the_same_before_and_after_a_commit_has_not_changed(tables, put):
    put(("A", 1, 10), ("B", 1, 20), new=True)
    commits = put(("A", 2, 10), ("B", 2, 21)) + put(("C", 1, 30), new=True)
    assert sorted(one.only_inserts for one in commits) == [False, True]
    assert changed(tables, commits) == [("B", 20, -1), ("B", 21, 1), ("C", 30, 1)]


def test_a_slice_that_was_replaced_is_not_taken_for_inserts(tables, put):
    put(("A", 1, 10), new=True)
    before = tables.version(COUNTED.name)
    tables.initial_load(COUNTED, tables.spark.createDataFrame([("B", 1, 20)], "id STRING, version INT, amount INT"))
    _, commits = tables.commits_since(COUNTED.name, before)
    assert [one.only_inserts for one in commits] == [False]
    assert changed(tables, commits) == [("A", 10, -1), ("B", 20, 1)]
