"""Which commits may have changed the rows of a date, according to the history of the table."""

from datetime import date

import pytest

from retailflow_spark.delta.commits import Commit

DAY = date(2026, 1, 15)


def replaced(predicate: str | None) -> Commit:
    return Commit(1, 0, is_upkeep=False, replaced=predicate, note=None)


@pytest.mark.parametrize(
    "predicate",
    [
        "ingestion_date = DATE '2026-01-16'",
        """["(ingestion_date = DATE '2026-01-16')"]""",
        """["(ingestion_date#899 = 2026-01-16)"]""",
    ],
)
def test_the_slice_of_another_date_does_not_concern_it(predicate):
    assert not replaced(predicate).may_concern(DAY)
    assert replaced(predicate).may_concern(date(2026, 1, 16))


@pytest.mark.parametrize(
    "predicate",
    [
        None,
        "ingestion_date >= DATE '2026-01-16'",
        "ingestion_date = DATE '2026-01-16' OR ingestion_date = DATE '2026-01-15'",
        "other_date = DATE '2026-01-16'",
    ],
)
def test_any_other_replacement_may_concern_it(predicate):
    assert replaced(predicate).may_concern(DAY)


def test_upkeep_concerns_no_date():
    assert not Commit(1, 0, is_upkeep=True, replaced=None, note=None).may_concern(DAY)
