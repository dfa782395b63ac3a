"""Each module of a GOLD table keeps the protocol and its contract, and reads the tables that the contract names."""

from types import ModuleType

import pytest
from pyspark.sql import DataFrame

from retailflow.contracts import GoldContract, gold_tables
from retailflow_spark.delta.rows import MOST_ROWS
from retailflow_spark.gold.affected_keys import fetched_keys
from retailflow_spark.gold.transform import Dimension, Totals, Transform, dimensions, transform_of, versioned

PARTS = ("DIMENSION", "TOTALS", "affected_keys", "build", "prune")
EACH = pytest.mark.parametrize("contract", gold_tables(), ids=lambda contract: contract.name)


class Asked(dict[str, DataFrame]):
    """Tables by name that record which ones were read."""

    def __init__(self, tables: dict[str, DataFrame]) -> None:
        super().__init__(tables)
        self.names: set[str] = set()

    def __getitem__(self, name: str) -> DataFrame:
        self.names.add(name)
        return super().__getitem__(name)


def missing(transform: object) -> list[str]:
    """Return the parts of the protocol that a module lacks."""
    return [part for part in PARTS if not hasattr(transform, part)]


@EACH
def test_a_module_has_every_part_of_the_protocol(contract: GoldContract):
    transform = transform_of(contract)
    assert missing(transform) == []
    assert isinstance(transform.DIMENSION, Dimension | None)
    assert isinstance(transform.TOTALS, Totals | None)


@pytest.mark.parametrize("part", PARTS)
def test_a_module_that_forgets_a_part_is_found(part):
    module = ModuleType("fact_returns")
    for other in {*PARTS} - {part}:
        setattr(module, other, None)
    assert missing(module) == [part]


def test_the_protocol_has_these_parts_and_no_other():
    assert {name for name in vars(Transform) if not name.startswith("_")} | set(Transform.__annotations__) == set(PARTS)


@EACH
def test_a_dimension_has_its_columns_and_only_dimensions_are_named_so(contract: GoldContract):
    dimension, columns = transform_of(contract).DIMENSION, set(contract.table.column_names)
    assert (dimension is not None) == contract.name.startswith("dim_")
    if dimension:
        assert dimension.key in columns
        assert not dimension.sk or {dimension.sk, "valid_from", "valid_to", "is_current"} <= columns


@EACH
def test_totals_have_columns_of_both_tables(contract: GoldContract):
    if totals := transform_of(contract).TOTALS:
        source = next(one for one in gold_tables() if one.table.name == totals.source)
        assert {*totals.groups, *totals.sums} <= set(contract.table.column_names)
        assert {*totals.groups, *totals.sums.values()} <= set(source.table.column_names)


def test_a_table_refers_to_versions_by_the_columns_of_their_dimension():
    assert versioned() == {"customer_sk": "gold.dim_customer", "product_sk": "gold.dim_product"}
    assert set(versioned().values()) <= set(dimensions())


@EACH
def test_a_transform_reads_the_sources_of_its_contract_and_makes_its_columns(contract: GoldContract, world):
    some, transform, own = world(orders=[{}], stores=[{}]), transform_of(contract), contract.table.name
    tables = Asked({**some.sources(contract.name), own: some.empty(own)})
    changed = Asked({name: with_sign(frame) for name, frame in some.sources(contract.name).items()})
    keys = transform.affected_keys(changed, tables)
    assert tuple(keys.columns) == contract.affected_keys
    keys, rows = fetched_keys(keys)
    assert rows.num_rows <= MOST_ROWS
    pruned = Asked(dict(transform.prune(tables, contract, keys, rows)))
    assert set(pruned) == set(tables)
    built = transform.build(pruned, keys)
    assert sorted(built.columns) == sorted(contract.table.column_names)
    assert tables.names | changed.names | pruned.names <= {*contract.sources, own}
    assert set(contract.sources) <= changed.names | pruned.names


def with_sign(frame: DataFrame) -> DataFrame:
    """Return the rows as changes, each inserted by commit 1."""
    return frame.selectExpr("*", "1L AS _net", "1L AS _commit_version")
