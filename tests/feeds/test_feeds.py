"""Each feed with a pair of files: the records that arrive and the rows of SILVER. `new-feed` writes this pair."""

import csv
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from pipeline import run_day

from retailflow.contracts import feed_contract
from retailflow.manifests import ulid
from retailflow.raw import Part, complete, deliver
from retailflow_delivery.new_feed import as_text

PAIRS = sorted(path.parent for path in Path(__file__).parent.glob("*/silver.csv"))
NOW = datetime.now(UTC)
DAY = NOW.date() - timedelta(days=1)


@pytest.mark.parametrize("pair", PAIRS, ids=lambda pair: pair.name)
def test_silver_has_the_expected_rows_of_the_records_that_arrive(tables, raw, pair):
    contract = feed_contract(pair.name)
    with (pair / "silver.csv").open(newline="") as file:
        header, *expected = csv.reader(file)
    (arrives,) = pair.glob("arrives.*")
    part = Part(arrives.name.removeprefix("arrives"), arrives.read_bytes(), len(expected))
    deliver(raw, contract.name, DAY, ulid(NOW, contract.name), NOW, [part])
    complete(raw, contract.name, DAY)
    run_day(tables, raw, contract.name, DAY)
    assert header == contract.silver.value_names
    rows = tables.read(contract.silver.name).select(*header).collect()
    assert sorted([as_text(value) for value in row.asDict(recursive=True).values()] for row in rows) == expected
    assert tables.read(contract.quarantine.name).count() == 0
