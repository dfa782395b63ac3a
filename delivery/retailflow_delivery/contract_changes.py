"""Compare two states of the contracts, and classify each change by its effect on producers, readers and tables.

breaking: a producer or reader that worked before may fail now. additive: nobody fails, but tables must be rebuilt.
cosmetic: only descriptions change.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal, InvalidOperation
from typing import Any, Literal

from retailflow.contracts import Column, FeedContract, GoldContract, built_from

Contract = FeedContract | GoldContract
Kind = Literal["breaking", "additive", "cosmetic"]
_KINDS: tuple[Kind, ...] = ("breaking", "additive", "cosmetic")
_LAYERS = ("bronze", "silver", "gold")


@dataclass(frozen=True)
class Change:
    """One change. `layer` is the first layer whose rows change; None if no rows change."""

    kind: Kind
    sentence: str
    layer: Literal["bronze", "silver", "gold"] | None = None


@dataclass(frozen=True)
class Difference:
    """All changes of one contract. `new` is None if it was removed, `old` is None if it was added."""

    name: str
    old: Contract | None
    new: Contract | None
    changes: tuple[Change, ...]

    @property
    def kind(self) -> Kind:
        return min((change.kind for change in self.changes), key=_KINDS.index)

    @property
    def layer(self) -> str | None:
        found = {change.layer for change in self.changes if change.layer}
        return next((layer for layer in _LAYERS if layer in found), None)

    @property
    def tables(self) -> list[str]:
        """The tables whose rows or columns change: the contract's own from `layer` on, and GOLD built from them."""
        if self.layer is None:
            return []
        own = [table.name for table in (self.new or self.old).tables]
        hit = own if self.layer != "silver" else [name for name in own if not name.startswith("bronze.")]
        return [*hit, *(table.table.name for table in built_from(own) if table.table.name not in own)]

    @property
    def is_allowed(self) -> bool:
        """Whether the change was announced: by a new major version, or by deprecating a contract before its removal."""
        if self.kind != "breaking" or self.old is None:
            return True
        if self.new is None:
            return self.old.document["status"] in ("deprecated", "retired")
        return _major(self.new) > _major(self.old)


def differences(old: Mapping[str, Contract], new: Mapping[str, Contract]) -> list[Difference]:
    """Return the differences of the contracts that changed, sorted by name."""
    found = []
    for name in sorted(old.keys() | new.keys()):
        before, after = old.get(name), new.get(name)
        if changes := tuple(_changes(before, after)):
            found.append(Difference(name, before, after, changes))
    return found


def _major(contract: Contract) -> int:
    return int(contract.version.partition(".")[0])


def _changes(old: Contract | None, new: Contract | None) -> Iterator[Change]:
    if old is None and new is not None:
        yield Change("additive", "is new", _first(new))
    elif new is None:
        yield Change("breaking", "is gone", _first(old))
    elif old is not None and old.document != new.document:
        if type(old) is not type(new):
            yield Change("breaking", "is of another layer", "bronze")
            return
        is_feed = isinstance(new, FeedContract)
        found = [*_shape(old, new, is_feed), *_columns(_of(old), _of(new), is_feed), *_promises(old, new)]
        yield from found or [Change("cosmetic", "only words, owners or labels differ")]


def _first(contract: Contract | None) -> Literal["bronze", "gold"]:
    return "bronze" if isinstance(contract, FeedContract) else "gold"


def _of(contract: Contract) -> tuple[Column, ...]:
    return contract.feed_columns if isinstance(contract, FeedContract) else contract.table.columns


def _shape(old: Contract, new: Contract, is_feed: bool) -> Iterator[Change]:
    """Yield changes of the whole table or feed."""
    if is_feed:
        for field in ("delivery", "format"):
            if (was := getattr(old, field)) != (now := getattr(new, field)):
                yield Change("breaking", f"{field} is {now}, was {was}", "bronze")
        for field in ("version_column", "keeps_versions", "event_date"):
            if (was := getattr(old, field)) != (now := getattr(new, field)):
                yield Change("breaking", f"{field} is {now}, was {was}", "silver")
    else:
        for field in ("sources", "affected_keys"):
            if (was := getattr(old, field)) != (now := getattr(new, field)):
                yield Change("additive", f"{field} are {', '.join(now)}, were {', '.join(was)}", "gold")
    before, after = (c.silver if is_feed else c.table for c in (old, new))
    layer = "silver" if is_feed else "gold"
    for field in ("name", "key", "partition"):
        if (was := getattr(before, field)) != (now := getattr(after, field)):
            yield Change("breaking", f"the table's {field} is {now}, was {was}", layer)
    checks = {check.name: check.expression for check in (old.checks if is_feed else before.checks)}
    wanted = {check.name: check.expression for check in (new.checks if is_feed else after.checks)}
    for name in sorted(checks.keys() | wanted.keys()):
        if name not in wanted:
            yield Change("additive", f"rule {name} is gone", layer)
        elif checks.get(name) != wanted[name]:
            what = "has changed" if name in checks else "is new"
            # A feed's records may now be refused. A GOLD table only blocks invalid rows.
            yield Change("breaking" if is_feed else "additive", f"rule {name} {what}", layer)


def _columns(old: tuple[Column, ...], new: tuple[Column, ...], is_feed: bool, path: str = "") -> Iterator[Change]:
    before, after = ({column.name: column for column in columns} for columns in (old, new))
    edge, inner = ("bronze", "silver") if is_feed else ("gold", "gold")
    for name in sorted(before.keys() - after.keys()):
        yield Change("breaking", f"{path}{name} is gone", edge)
    for name, column in after.items():
        label = path + name
        if name not in before:
            is_asked = is_feed and column.required
            yield Change("breaking" if is_asked else "additive",
                         f"{label} is new{' and required' if is_asked else ''}", edge)  # fmt: skip
        elif column.fields and before[name].fields:
            # The type repeats the nested fields, which are compared one by one below.
            same = column.type.startswith("ARRAY") == before[name].type.startswith("ARRAY")
            whole = replace(column, type=before[name].type) if same else column
            yield from _column(before[name], whole, label, is_feed, inner)
            yield from _columns(before[name].fields, column.fields, is_feed, f"{label}.")
        else:
            yield from _column(before[name], column, label, is_feed, inner)


def _column(old: Column, new: Column, label: str, is_feed: bool, layer: Any) -> Iterator[Change]:
    for field, is_word in (("type", False), ("date_of", False), ("is_time_zone", False), ("classification", True)):
        if (was := getattr(old, field)) != (now := getattr(new, field)):
            kind: Kind = "cosmetic" if is_word else "breaking"
            yield Change(kind, f"{label}: {field} is {now}, was {was}", None if is_word else layer)
    if old.required != new.required:
        yield Change("breaking", f"{label} {'is required now' if new.required else 'may be null now'}", layer)
    narrowed = [*_narrowed(old, new)]
    for what in narrowed:
        yield Change("breaking" if is_feed else "additive", f"{label}: {what}", layer)
    for what in _narrowed(new, old):
        if what not in narrowed:  # a changed pattern is in both lists, and is reported above
            # Readers that handle a fixed list of values may meet a new one.
            kind = "additive" if is_feed or not what.startswith("values") else "breaking"
            yield Change(kind, f"{label}: wider, this limit is gone: {what}", layer)


def _narrowed(old: Column, new: Column) -> Iterator[str]:
    """Yield the limits by which the new column refuses values that the old one accepted."""
    if new.valid_values and (gone := sorted(set(old.valid_values) - set(new.valid_values)) or not old.valid_values):
        yield f"values without {', '.join(gone)}" if isinstance(gone, list) else "values are a list"
    if new.pattern and new.pattern != old.pattern:
        yield "its pattern"
    if new.minimum is not None and (old.minimum is None or _limit(new.minimum) > _limit(old.minimum)):
        yield f"at least {new.minimum}"
    if new.maximum is not None and (old.maximum is None or _limit(new.maximum) < _limit(old.maximum)):
        yield f"at most {new.maximum}"
    if new.latest and new.latest != old.latest:
        yield f"at most {new.latest} after its batch"
    if new.max_length is not None and (old.max_length is None or new.max_length < old.max_length):
        yield f"at most {new.max_length} characters"
    if gone := sorted(set(new.reserved) - set(old.reserved)):
        yield f"no longer {', '.join(gone)}"


def _limit(value: object) -> tuple[Decimal, str]:
    """Return a sort key: numbers sort by value, dates by their ISO 8601 text."""
    try:
        return Decimal(str(value)), ""
    except InvalidOperation:
        return Decimal(0), str(value)


def _promises(old: Contract, new: Contract) -> Iterator[Change]:
    """Yield changes of the promises to readers: which roles may read, how soon, and for how long."""
    readers, wanted = ({role["role"] for role in c.document["roles"]} for c in (old, new))
    yield from (Change("breaking", f"{role} may not read it any more") for role in sorted(readers - wanted))
    yield from (Change("additive", f"{role} may read it") for role in sorted(wanted - readers))
    before, after = ({i["property"]: i["value"] for i in c.document["slaProperties"]} for c in (old, new))
    for name in sorted(before.keys() | after.keys()):
        was, now = before.get(name), after.get(name)
        if was != now:
            yield Change("breaking" if _is_worse(name, was, now) else "additive", f"{name} is {now}, was {was}")


def _is_worse(name: str, was: Any, now: Any) -> bool:
    """Whether the new value is later, less frequent or shorter than the old promise."""
    if was is None or type(was) is not type(now):
        return was is not None
    return (now > was) == (name in ("timeOfAvailability", "frequency"))
