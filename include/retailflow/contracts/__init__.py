"""The data contracts (ODCS 3.1): one YAML file per feed and per GOLD table. Tables and checks derive from them.

>>> feed_contract("orders").silver.name
'silver.orders'
"""

from collections.abc import Iterable
from functools import cache
from graphlib import TopologicalSorter
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import TypeVar

import yaml

from retailflow.contracts.model import Check, Column, FeedContract, GoldContract, Table, parse
from retailflow.strict import LOADER

__all__ = ["Check", "Column", "FeedContract", "GoldContract", "Table", "built_from", "contract_files", "contract_of",
           "feed_contract", "feeds", "gold_table", "gold_tables", "reserved_ids", "table"]  # fmt: skip

_Contract = TypeVar("_Contract", FeedContract, GoldContract)


def contract_files() -> list[Traversable]:
    """Return the contract files in order of name, from a wheel or a checkout."""
    found = (item for item in files(__name__).iterdir() if item.name.endswith(".odcs.yaml"))
    return sorted(found, key=lambda item: item.name)


@cache
def _all() -> dict[str, FeedContract | GoldContract]:
    parsed = (parse(yaml.load(item.read_text("utf-8"), LOADER), item.name) for item in contract_files())
    return {contract.name: contract for contract in parsed}


def feeds() -> tuple[FeedContract, ...]:
    """Return the contracts of all feeds."""
    return tuple(contract for contract in _all().values() if isinstance(contract, FeedContract))


@cache
def gold_tables() -> tuple[GoldContract, ...]:
    """Return the contracts of the GOLD tables. Each one comes after the tables that it is built from."""
    found = {contract.table.name: contract for contract in _all().values() if isinstance(contract, GoldContract)}
    order = TopologicalSorter({name: contract.sources for name, contract in found.items()}).static_order()
    return tuple(found[name] for name in order if name in found)


def built_from(names: Iterable[str]) -> list[GoldContract]:
    """Return the GOLD tables that are built from these tables, directly or indirectly."""
    found, size = set(names), -1
    while size < len(found):
        size = len(found)
        found |= {table.table.name for table in gold_tables() if found & set(table.sources)}
    return [table for table in gold_tables() if found & set(table.sources)]


def feed_contract(name: str) -> FeedContract:
    """Return the contract of a feed. Raises: ValueError, which names the known feeds."""
    return _named(name, feeds(), "feed")


def gold_table(name: str) -> GoldContract:
    """Return the contract of a GOLD table. Raises: ValueError, which names the known GOLD tables."""
    return _named(name, gold_tables(), "GOLD table")


@cache
def reserved_ids(reference: str) -> tuple[str, ...]:
    """Return the ids that a column, for example `stores.store_id`, reserves for fixed members.

    A record that refers to a reserved id refers to the member `unknown`.

    Raises: ValueError where no contract describes the column.
    """
    feed, _, name = reference.partition(".")
    for column in feed_contract(feed).feed_columns:
        if column.name == name:
            return column.reserved
    raise ValueError(f"no contract describes the column {reference!r}")


def table(name: str) -> Table:
    """Return the table named `schema.table`, of any layer. Raises: ValueError where no contract describes it."""
    return next(one for one in contract_of(name).tables if one.name == name)


@cache
def contract_of(name: str) -> FeedContract | GoldContract:
    """Return the contract that describes a table. Raises: ValueError where no contract does."""
    for contract in _all().values():
        if any(one.name == name for one in contract.tables):
            return contract
    raise ValueError(f"no contract describes the table {name!r}")


def _named(name: str, contracts: tuple[_Contract, ...], kind: str) -> _Contract:
    for contract in contracts:
        if contract.name == name:
            return contract
    raise ValueError(f"{name!r} is not a known {kind}; known are {', '.join(c.name for c in contracts)}")
