"""A person's records taken out of RAW: a redacted batch and its manifest first, then the old files go.

RAW's one exception. The redacted batch sorts right after the old one, and its files where theirs did, so that no other
record changes its place in the order of versions (docs/adr/0007).
"""

import csv
import gzip
import hashlib
import io
import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import date
from typing import Any

from retailflow.contracts import Column, EntityContract
from retailflow.manifests import Manifest, RawFile, counted
from retailflow.raw import RawStore, day_path, supersede
from retailflow_spark.bronze.decode import decode
from retailflow_spark.bronze.json_records import split

CUSTOMER = "customer_id"
_PERSONAL = ("restricted", "confidential")
_ENDING = {"csv": ".csv", "json_pages": ".json", "ndjson": ".ndjson", "ndjson_gzip": ".ndjson.gz"}


class RedactionError(RuntimeError):
    """A redacted file would have changed the records of others. RAW is as it was."""


def redact(
    store: RawStore, contract: EntityContract, manifest: Manifest, theirs: Mapping[str, Collection[int]]
) -> Manifest:
    """Write the batch anew without the person, and return the manifest that stands in its place.

    Safe to repeat: files are named by their content, and the first manifest of the new batch holds.

    Args:
        theirs: by a file's name, the positions of the person's records in it.

    Raises: RedactionError.
    """
    folder, files = day_path(manifest.entity, manifest.ingestion_date), []
    for file in manifest.files:
        if file.name in theirs:
            payload, records = rewrite(store.read(f"{folder}/{file.name}"), contract, theirs[file.name])
            digest = hashlib.sha256(payload).hexdigest()
            ending = _ENDING[contract.format]
            name = f"{file.name.removesuffix(ending)}.r{digest[:12]}{ending}"
            store.create(f"{folder}/{name}", payload)
            file = RawFile(name=name, bytes=len(payload), sha256=digest, records=records)
        files.append(file)
    return supersede(store, manifest, files)


def sweep(store: RawStore, entity: str, ingestion_date: date) -> list[str]:
    """Delete the files of redacted batches that no batch that counts shares. Returns those that must stay for now."""
    manifests = store.manifests(entity, ingestion_date)
    live = {file.name for manifest in counted(manifests) for file in manifest.files}
    old = {file.name for manifest in manifests for file in manifest.files} - live
    paths = [f"{day_path(entity, ingestion_date)}/{name}" for name in sorted(old)]
    return [path for path in paths if not store.delete(path)]


def rewrite(payload: bytes, contract: EntityContract, theirs: Collection[int]) -> tuple[bytes, int]:
    """A file in which the records at these positions are removed or made anonymous, as the contract's `erasure` has it.

    Returns: its bytes, and how many records it has. Every other record keeps its text.

    Raises: RedactionError.
    """
    new, count = (_csv if contract.format == "csv" else _json)(payload, contract, theirs)
    others = (row for position, row in enumerate(_rows(payload, contract)) if position not in theirs)
    found = _rows(new, contract)
    if len(found) != count or not _is_among(others, found):
        raise RedactionError(f"a file of {contract.name} cannot be redacted: its other records would not stay the same")
    return new, count


def _rows(payload: bytes, contract: EntityContract) -> list[dict[str, Any]]:
    batches = decode(payload, contract.format, contract.name, contract.feed_columns)
    return [{**row, "_missing_fields": None} for batch in batches for row in batch.to_pylist()]


def _is_among(wanted: Iterable, found: Iterable) -> bool:
    """Whether all that is wanted is found, in order."""
    rest = iter(found)
    return all(row in rest for row in wanted)


def _json(payload: bytes, contract: EntityContract, theirs: Collection[int]) -> tuple[bytes, int]:
    if contract.format == "json_pages":
        kept = _kept(split(payload, contract.format, contract.name), contract, theirs)
        return b'[{"%s":[%s]}]' % (contract.name.encode(), b",".join(kept)), len(kept)
    is_gzip = contract.format == "ndjson_gzip"
    text = gzip.decompress(payload) if is_gzip else payload
    kept = _kept(text.removesuffix(b"\n").split(b"\n") if text else [], contract, theirs)
    text = b"".join(line + b"\n" for line in kept)
    return gzip.compress(text, mtime=0) if is_gzip else text, len(kept)


def _kept(records: Sequence[bytes], contract: EntityContract, theirs: Collection[int]) -> list[bytes]:
    kept = (_anonymous(text, contract) if place in theirs else text for place, text in enumerate(records))
    return [text for text in kept if text is not None]


def _anonymous(text: bytes, contract: EntityContract) -> bytes | None:
    """The record with what is personal blank; None where it is to be removed, or cannot be read."""
    try:
        record = json.loads(text, parse_float=_Number, parse_int=_Number)
    except ValueError:
        return None
    if contract.erasure != "anonymise" or not isinstance(record, dict):
        return None
    return _text(_blank(record, contract.feed_columns)).encode()


class _Number(str):
    """A number as it was written: 1.10 stays 1.10."""


def _blank(value: Any, columns: Collection[Column]) -> Any:
    """Fields that the contract does not name are left out: nobody knows what they hold.

    What should be an object and is none may hold in its text what a personal field would.
    """
    if isinstance(value, list):
        return [_blank(item, columns) for item in value]
    if not isinstance(value, dict):
        return None if any(map(_holds_personal, columns)) else value
    known = {column.name: column for column in columns}
    return {
        name: None if _is_personal(known[name]) else _blank(item, known[name].fields)
        for name, item in value.items()
        if name in known
    }


def _is_personal(column: Column) -> bool:
    return column.name == CUSTOMER or column.classification in _PERSONAL


def _holds_personal(column: Column) -> bool:
    return _is_personal(column) or any(map(_holds_personal, column.fields))


def _text(value: Any) -> str:
    if isinstance(value, _Number):
        return str(value)
    if isinstance(value, dict):
        return f"{{{','.join(f'{json.dumps(name)}:{_text(item)}' for name, item in value.items())}}}"
    if isinstance(value, list):
        return f"[{','.join(map(_text, value))}]"
    return json.dumps(value)


def _csv(payload: bytes, contract: EntityContract, theirs: Collection[int]) -> tuple[bytes, int]:
    lines = list(io.StringIO(payload.decode("utf-8", "surrogateescape"), newline=""))
    rows = csv.reader(lines)
    header = next(rows)
    known = {column.name for column in contract.feed_columns if not _is_personal(column)}
    out, start, position, count = lines[: rows.line_num], rows.line_num, -1, 0
    for row in rows:
        text, start = lines[start : rows.line_num], rows.line_num
        position += bool(row)  # an empty line is no record
        if row and position in theirs:
            is_whole = contract.erasure == "anonymise" and len(row) == len(header)
            text = (
                [_line(cell if name in known else "" for name, cell in zip(header, row, strict=True))]
                if is_whole
                else []
            )
        count += bool(row and text)
        out += text
    return "".join(out).encode("utf-8", "surrogateescape"), count


def _line(cells: Iterable[str]) -> str:
    line = io.StringIO()
    csv.writer(line, lineterminator="\n").writerow(cells)
    return line.getvalue()
