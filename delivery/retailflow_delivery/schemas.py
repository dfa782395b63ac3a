"""Generate a JSON Schema of each feed's records from the contracts. Producers validate records with it before delivery.

A schema has the parts of a contract that JSON Schema can express: fields, types, formats, allowed values, limits. It
has rules that compare fields only as text, in `$comment`. It allows unknown fields: they are drift, not an error.
"""

import json
import re
from pathlib import Path
from typing import Any

from retailflow.contracts import Column, FeedContract, feeds

_DRAFT = "https://json-schema.org/draft/2020-12/schema"
_DAY = r"\d{4}-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])"
_MOMENT = rf"{_DAY}[Tt ]([01]\d|2[0-3]):[0-5]\d:[0-5]\d(\.\d{{1,9}})?"
_OFFSET = r"([Zz]|[+-]([01]\d|2[0-3]):[0-5]\d)"
# Amounts and moments are text in every feed; whole numbers and booleans are text only in CSV.
_TEXTS = {"DATE": f"^{_DAY}$", "TIMESTAMP": f"^{_MOMENT}{_OFFSET}$", "TIMESTAMP_NTZ": f"^{_MOMENT}$"}
_BITS = {"INT": 31, "BIGINT": 63}
_NOT_ZERO = re.compile(r"(?:\w+ is null or forall\(\w+, \w+ -> \w+\.(\w+) <> 0\)|(\w+) <> 0)")


def outputs(root: Path) -> dict[Path, str]:
    """Return the generated files: the text of each by its path."""
    folder = root / "docs" / "schemas"
    return {folder / f"{e.name}.schema.json": json.dumps(schema(e), indent=2) + "\n" for e in feeds()}


def schema(contract: FeedContract) -> dict[str, Any]:
    """Return the schema of one record: an element of a page, a line, or a row. An empty CSV field is null."""
    found = {check: _NOT_ZERO.fullmatch(check.expression) for check in contract.checks}
    not_zero = {match[1] or match[2] for match in found.values() if match}
    rest = [check.reason for check, match in found.items() if not match]
    return {
        "$schema": _DRAFT,
        "$id": f"urn:retailflow:{contract.name}:{contract.version}",
        "title": contract.name,
        "description": f"A record of {contract.name}, format {contract.format}, contract {contract.version}.",
        **({"$comment": f"Refused too where {'; '.join(rest)}."} if rest else {}),
        **_object(contract.feed_columns, not_zero, is_text=contract.format == "csv"),
    }


def _object(columns: tuple[Column, ...], not_zero: set[str], *, is_text: bool) -> dict[str, Any]:
    return {
        "type": "object",
        "required": [column.name for column in columns if column.required],
        "properties": {column.name: _field(column, not_zero, is_text=is_text) for column in columns},
    }


def _field(column: Column, not_zero: set[str], *, is_text: bool) -> dict[str, Any]:
    rules = _rules(column, not_zero, is_text=is_text)
    if not column.required:
        rules = {"type": ["null", rules.pop("type")], **rules}
        if "enum" in rules:
            rules["enum"] = [None, *rules["enum"]]
    return {"description": column.description, **rules}


def _rules(column: Column, not_zero: set[str], *, is_text: bool) -> dict[str, Any]:
    if column.fields:
        inner = _object(column.fields, not_zero, is_text=is_text)
        return {"type": "array", "items": inner} if column.type.startswith("ARRAY<") else inner
    if column.type.startswith("ARRAY<"):
        return {"type": "array", "items": {"type": "string"}}
    if column.type in _BITS:
        return _whole(column, column.name in not_zero, is_text=is_text)
    if column.type == "BOOLEAN":
        return {"type": "string", "enum": ["true", "false"]} if is_text else {"type": "boolean"}
    if column.type.startswith("DECIMAL"):
        return {"type": "string", "pattern": _decimal(column)}
    if column.type in _TEXTS:
        return {"type": "string", "pattern": _TEXTS[column.type]}
    return {
        "type": "string",
        **({"minLength": 1} if column.required else {}),
        **({"enum": list(column.valid_values)} if column.valid_values else {}),
        **({"pattern": column.pattern} if column.pattern else {}),
    }


def _whole(column: Column, is_not_zero: bool, *, is_text: bool) -> dict[str, Any]:
    if is_text:
        zero = {"not": {"pattern": "^[+-]?0+$"}} if is_not_zero else {}
        return {"type": "string", "pattern": r"^[+-]?\d{1,19}$", **zero}
    limit = 2 ** _BITS[column.type]
    return {
        "type": "integer",
        "minimum": -limit if column.minimum is None else int(column.minimum),
        "maximum": limit - 1 if column.maximum is None else int(column.maximum),
        **({"not": {"const": 0}} if is_not_zero else {}),
    }


def _decimal(column: Column) -> str:
    """Return a pattern for a decimal as text.

    A pattern cannot compare text with a number. It keeps only the sign and the digits before the point of the limits.
    """
    precision, scale = map(int, re.findall(r"\d+", column.type))
    is_positive = column.minimum is not None and float(column.minimum) >= 0
    digits = precision - scale if column.maximum is None else len(column.maximum.partition(".")[0])
    sign = r"\+?" if is_positive else "[+-]?"
    return rf"^{sign}\d{{1,{digits}}}(\.\d{{1,{scale}}})?$"
