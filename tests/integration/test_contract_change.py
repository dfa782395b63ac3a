"""A date validated again after its contract changed has the tables of a clean rebuild under the new contract."""

from dataclasses import replace
from datetime import date, timedelta

import pytest
from pipeline import empty_catalog, everything, put

from retailflow.contracts import feed_contract
from retailflow.contracts.model import Check
from retailflow_spark.bronze import load as bronze
from retailflow_spark.delta.schema import create
from retailflow_spark.silver import load as silver

DAY = date(2026, 1, 15)
NEXT = DAY + timedelta(days=1)
CUSTOMERS = feed_contract("customers")
STRICT = replace(CUSTOMERS, checks=(*CUSTOMERS.checks, Check("no_test", "first_name != 'Test'", "is a test account")))


def customer(name: str, updated_at: str, customer_id: str = "C1") -> dict:
    return {"customer_id": customer_id, "first_name": name, "created_at": "2026-01-01T00:00:00Z"} | {
        "updated_at": f"2026-01-{updated_at}:00Z"
    }


def load(tables, raw, contract, *days: date) -> None:
    for day in days:
        bronze.load_day(tables, raw, contract, day)
        silver.load_day(tables, contract, day)


def state(tables) -> dict[str, list[str]]:
    return {table.name: everything(tables, table.name) for table in CUSTOMERS.tables}


@pytest.fixture
def delivered(raw):
    put(raw, "customers", DAY, customer("Ada", "15T08:00"), customer("Test", "15T09:00", "C2"))
    put(raw, "customers", NEXT, customer("Test", "16T08:00"), customer("Bo", "16T08:00", "C3"))
    return raw


def test_a_stricter_contract_takes_back_its_rows_and_the_version_before_returns(tables, delivered, monkeypatch):
    load(tables, delivered, CUSTOMERS, DAY, NEXT)
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        made = tables.sync_rows

        def die(*arguments):
            made(*arguments)
            raise KeyboardInterrupt

        patch.setattr(tables, "sync_rows", die)
        load(tables, delivered, STRICT, NEXT)
    load(tables, delivered, STRICT, NEXT, DAY)
    after = state(tables)
    empty_catalog(tables.spark)
    load(tables, delivered, STRICT, DAY, NEXT)
    assert after == state(tables)
    assert [row.first_name for row in tables.read("silver.customers").orderBy("customer_id").collect()] == ["Ada", "Bo"]


@pytest.mark.full
def test_a_looser_contract_heals_quarantine(tables, delivered):
    load(tables, delivered, STRICT, DAY, NEXT)
    assert tables.read("quarantine.customers").count() == 2
    load(tables, delivered, CUSTOMERS, NEXT, DAY)
    after = state(tables)
    empty_catalog(tables.spark)
    load(tables, delivered, CUSTOMERS, DAY, NEXT)
    assert after == state(tables)
    assert tables.read("quarantine.customers").isEmpty()


@pytest.mark.parametrize("gained", [["customer_id"], ["email", "phone"], ["_missing_fields"]])
def test_a_contract_that_gains_columns_widens_its_table_where_it_has_them(tables, gained):
    bronze = CUSTOMERS.bronze
    create(tables, [replace(bronze, columns=tuple(column for column in bronze.columns if column.name not in gained))])
    create(tables, [bronze])
    assert tables.read(bronze.name).columns == list(bronze.column_names)
