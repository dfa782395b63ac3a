"""Find the columns that a column is made from, in Spark's plan of the code that runs.

Spark gives each attribute of a plan a number, `net_amount#33`. The plan shows where a number comes from: in a list of a
node, as `… AS net_amount#12`; in a relation, as a column of a table; in a generator, from the value that it expands.
Filters and keys of joins choose rows and are not part of the lineage.
"""

import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from retailflow.contracts import FeedContract, GoldContract

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

    from retailflow_spark.delta.writer import Tables

_NODE = re.compile(r"\n(?=(?:[ :] {2})*[:+]- )")  # where a child node begins; the text of a node may have line breaks
_ATTRIBUTE = re.compile(r"(lambda )?\b(\w+)#(\d+)L?((?:\.\w+)*)")
_NAMED = re.compile(r"(?P<expression>.*) AS (?P<name>\S+)#(?P<id>\d+)L?", re.DOTALL)
_PLAIN = re.compile(r"(?P<name>\w+)#(?P<id>\d+)L?")
_RELATION = re.compile(r"Relation (?:\w+\.)?(?P<schema>\w+)\.(?P<table>\w+)\[(?P<columns>.*)\] \w+")
_VIEW = re.compile(r"View \(`\w+`\.`(?P<schema>\w+)`\.`(?P<table>\w+)`, \[(?P<columns>.*)\]\)")
_REFERENCE = re.compile(r"CTERelationRef (?P<id>\d+), \w+, \[(?P<columns>[^\]]*)\]")
_GENERATE = re.compile(r"Generate (?P<expression>.*), (?:true|false), (?:\w+, )?\[(?P<made>.*)\]")
Source = tuple[str, str]  # number of an attribute, and the path below it, for example .address.country


def of_gold(tables: "Tables", contract: GoldContract) -> dict[str, list[str]]:
    """Return, for each column, the source columns, or fields like `silver.orders.lines.unit_price`."""
    from retailflow_spark.gold.transform import transform_of

    inputs = {name: tables.read(name) for name in (*contract.sources, contract.table.name)}
    rows = transform_of(contract).build(inputs, None)
    return of(rows.select(*contract.table.column_names))


def of_silver(tables: "Tables", contract: FeedContract) -> dict[str, list[str]]:
    """Return, for each column, its columns of BRONZE. A nested column is text there, so a field becomes its column."""
    from retailflow_spark.silver.validate import valid, validate

    rows = valid(validate(tables.read(contract.bronze.name), contract), contract)
    made = of(rows.select(*contract.silver.column_names))
    return {name: sorted({".".join(source.split(".")[:3]) for source in found}) for name, found in made.items()}


def of(frame: "DataFrame") -> dict[str, list[str]]:
    frame.sparkSession.conf.set("spark.sql.debug.maxToStringFields", "100000")
    return read(frame._explain_string(extended=True))


def read(plan: str) -> dict[str, list[str]]:
    """Return the sources of each column of the result, from the text of `explain(extended=True)`.

    The sources of a count of rows are tables. Raises: ValueError for an unknown node.
    """
    text = plan.partition("== Analyzed Logical Plan ==\n")[2].partition("\n== Optimized")[0]
    tree = _Plan([node for line in _NODE.split(text.partition("\n")[2]) if (node := _node(line))])
    return {name: sorted(tree.sources(number, "") or tree.tables()) for name, number in tree.outputs(0)}


def _node(line: str) -> "tuple[int, str] | None":
    """Return the depth and the text of a node; None for an empty line."""
    match = re.match(r"(?P<branches>(?:[ :] {2}|[:+]- )*)(?P<text>\S.*)", line, re.DOTALL)
    return (len(match["branches"]) // 3, match["text"]) if match else None


@dataclass
class _Plan:
    nodes: list[tuple[int, str]]

    def outputs(self, place: int) -> list[tuple[str, str]]:
        """Return the name and the number of each column that the node returns."""
        _, text = self.nodes[place]
        kind = text.split(" ")[0]
        if kind in ("Project", "Aggregate"):
            return [(match["name"], match["id"]) for item in _lists(text)[-1] if (match := _named(item))]
        if match := _RELATION.match(text) or _REFERENCE.match(text):
            return [(found["name"], found["id"]) for found in _PLAIN.finditer(match["columns"])]
        if kind == "WithCTE":
            return self.outputs(list(self.children(place))[-1])
        if kind in ("CTERelationDef", "SubqueryAlias", "Filter", "Union", "Sort", "Deduplicate", "Distinct", "View"):
            return self.outputs(next(self.children(place)))
        raise ValueError(f"a plan has a node that is not understood: {text[:200]}")

    def children(self, place: int) -> Iterator[int]:
        depth = self.nodes[place][0]
        for other in range(place + 1, len(self.nodes)):
            if self.nodes[other][0] <= depth:
                return
            if self.nodes[other][0] == depth + 1:
                yield other

    def tables(self) -> set[str]:
        """Return the tables and views that the plan reads, without the tables below a view."""
        found, hidden_below = set(), -1
        for depth, text in self.nodes:
            if 0 <= hidden_below < depth:
                continue
            hidden_below = depth if _VIEW.match(text) else -1
            if match := _RELATION.match(text) or _VIEW.match(text):
                found.add(_table(match))
        return found

    @cached_property
    def _columns(self) -> dict[str, str]:
        """The table's column for each number that has one."""
        found = {}
        for _, text in self.nodes:
            if match := _RELATION.match(text) or _VIEW.match(text):
                table = _table(match)
                found |= {one["id"]: f"{table}.{one['name']}" for one in _PLAIN.finditer(match["columns"])}
        return found

    @cached_property
    def _made(self) -> dict[str, set[Source]]:
        """The numbers that each number is made from."""
        made: dict[str, set[Source]] = defaultdict(set)
        for place, (_, text) in enumerate(self.nodes):
            if match := _GENERATE.match(text):
                for one in _PLAIN.finditer(match["made"]):
                    made[one["id"]] |= _used(match["expression"])
            elif text.startswith("Union"):
                sides = zip(*(self.outputs(child) for child in self.children(place)), strict=True)
                for (_, first), *others in sides:
                    made[first] |= {(other, "") for _, other in others if other != first}
            elif match := _REFERENCE.match(text):
                wanted = f"CTERelationDef {match['id']},"
                defined = next(place for place, (_, text) in enumerate(self.nodes) if text.startswith(wanted))
                for (_, own), (_, other) in zip(self.outputs(place), self.outputs(defined), strict=True):
                    made[own] |= {(other, "")} if own != other else set()
            elif not _RELATION.match(text):
                for item in (item for items in _lists(text) for item in items):
                    if match := _NAMED.fullmatch(item):
                        made[match["id"]] |= _used(match["expression"])
        return made

    def sources(self, number: str, path: str) -> set[str]:
        if number in self._columns:
            return {self._columns[number] + path}
        return {found for other, below in self._made[number] for found in self.sources(other, below + path)}


def _table(match: "re.Match[str]") -> str:
    """Return the name for readers: GOLD is built in `gold_build` and read under the same name in `gold`."""
    return f"{match['schema'].removesuffix('_build')}.{match['table']}"


def _named(item: str) -> "re.Match[str] | None":
    return _NAMED.fullmatch(item) or _PLAIN.fullmatch(item)


def _used(expression: str) -> set[Source]:
    return {(number, path) for of_lambda, _, number, path in _ATTRIBUTE.findall(expression) if not of_lambda}


def _lists(text: str) -> list[list[str]]:
    """Return the items of each list in brackets that is not inside another.

    Spark does not quote texts, so a bracket may belong to a message. Parentheses then show which brackets to skip.
    """
    found, open_, begin, items = [], "", 0, []
    for place, character in enumerate(text):
        if character in "[(":
            if not open_ and character == "[":
                begin, items = place + 1, []
            open_ += character
        elif character == ")":
            open_ = open_.rstrip("[")[:-1] if "(" in open_ else open_
        elif character == "]" and open_.endswith("["):
            open_ = open_[:-1]
            if not open_:
                found.append([*items, text[begin:place]])
        elif open_ == "[" and text[place : place + 2] == ", ":
            items.append(text[begin:place])
            begin = place + 2
    return found
