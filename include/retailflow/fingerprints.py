"""Fingerprints: a short digest of everything that determines the rows of a table.

A fingerprint covers the relevant part of the contract and the code that builds the rows. Comments, docstrings and
descriptions do not change rows, so they are left out.
"""

import ast
from collections.abc import Iterable, Sequence
from dataclasses import replace
from hashlib import md5
from pathlib import Path

from retailflow.contracts.model import Column, FeedContract, GoldContract

_DECODES = "bronze/decode.py"
_VALIDATES = "silver/validate.py"
_FOLLOWED = ("bronze", "silver", "gold")  # the folders of the package whose code builds rows


def of_bronze(contract: FeedContract, package: Path) -> str:
    """Return the fingerprint of a feed's BRONZE. `package` is the folder of retailflow_spark."""
    said = [contract.format, *map(_shape, contract.feed_columns)]
    return _digest(said, package, [_DECODES])


def of_silver(contract: FeedContract, package: Path) -> str:
    """Return the fingerprint of a feed's SILVER and quarantine."""
    said = [
        *(contract.format, contract.version_column, contract.keeps_versions, contract.silver.key, contract.event_date),
        [_wordless(column) for column in contract.silver.columns],
        [(check.expression, check.reason) for check in contract.checks],
    ]
    return _digest(said, package, [_DECODES, _VALIDATES])


def of_gold(contract: GoldContract, package: Path) -> str:
    """Return the fingerprint of a GOLD table."""
    columns = [(column.name, column.type) for column in contract.table.columns]
    said = [columns, contract.table.key, contract.table.partition, contract.sources, contract.affected_keys]
    return _digest(said, package, [f"gold/{contract.name}.py"])


def _shape(column: Column) -> tuple[object, ...]:
    """Return the properties of a column that a decoder uses."""
    return column.name, column.is_array, column.required, tuple(map(_shape, column.fields))


def _wordless(column: Column) -> Column:
    return replace(column, description="", classification=None, fields=tuple(map(_wordless, column.fields)))


def _digest(said: Sequence[object], package: Path, modules: Iterable[str]) -> str:
    code = {name: _code(package / name) for name in sorted(_closure(package, modules))}
    return md5(repr((said, code)).encode()).hexdigest()


def _closure(package: Path, modules: Iterable[str]) -> set[str]:
    """Return these modules and the modules of the followed folders that they import, directly or indirectly."""
    found, open_ = set(), list(modules)
    while open_:
        name = open_.pop()
        if name not in found and (package / name).exists():
            found.add(name)
            open_ += _imported(package, name)
    return found


def _imported(package: Path, name: str) -> Iterable[str]:
    for node in ast.walk(ast.parse((package / name).read_text("utf-8"))):
        if isinstance(node, ast.ImportFrom) and (module := node.module or "").startswith(f"{package.name}."):
            parts = module.split(".")[1:]
            if parts[0] in _FOLLOWED:
                yield f"{'/'.join(parts)}.py"
                yield from (f"{'/'.join(parts)}/{alias.name}.py" for alias in node.names)


def _code(path: Path) -> str:
    tree = ast.parse(path.read_text("utf-8"))
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if isinstance(body, list) and body and isinstance(body[0], ast.Expr):
            first = body[0].value
            if isinstance(first, ast.Constant) and isinstance(first.value, str):
                body.pop(0)
    return md5(ast.dump(tree).encode()).hexdigest()
