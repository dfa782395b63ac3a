"""Redact a person's records in RAW: write a redacted batch and its manifest, then delete the old files.

This is the only exception to the immutability of RAW. The redacted batch and its files sort next to the old ones, so
that no other record changes its place in the total order (docs/adr/0007).
"""

import csv
import gzip
import hashlib
import io
import json
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

from retailflow.contracts import Column, FeedContract
from retailflow.manifests import Manifest, RawFile, counted
from retailflow.raw import RawStore, day_path, supersede
from retailflow_spark.bronze.csv_records import csv_content, csv_rows
from retailflow_spark.bronze.decode import decode
from retailflow_spark.bronze.json_files import split
from retailflow_spark.bronze.json_records import is_readable
from retailflow_spark.privacy.subjects import CUSTOMER, Found, Subjects

_PERSONAL = ("restricted", "confidential")
_ENDING = {"csv": ".csv", "json_pages": ".json", "ndjson": ".ndjson", "ndjson_gzip": ".ndjson.gz"}
_UNDER_WAY = timedelta(days=1)  # a source may still be about to name a file that no batch names
Fates = Mapping[int, Found]  # how a record was found, by its position in the file


class RedactionError(RuntimeError):
    """A redacted file would have changed other records. RAW has not changed."""


def redact(
    store: RawStore, contract: FeedContract, manifest: Manifest, fates: Mapping[str, Fates], subjects: Subjects
) -> Manifest:
    """Write a batch without the persons, and return the manifest that then counts in its place.

    Safe to repeat: files are named by their content, and the first manifest of the new batch counts.

    Args:
        fates: by file name, the records to redact and how they were found.

    Raises: RedactionError.
    """
    folder, files = day_path(manifest.entity, manifest.ingestion_date), []
    for file in manifest.files:
        if file.name in fates:
            payload, records = rewrite(
                store.read(f"{folder}/{file.name}"), contract, fates[file.name], subjects, file.records
            )
            digest = hashlib.sha256(payload).hexdigest()
            ending = _ENDING[contract.format]
            name = f"{file.name.removesuffix(ending)}.r{digest[:12]}{ending}"
            store.create(f"{folder}/{name}", payload)
            file = RawFile(name=name, bytes=len(payload), sha256=digest, records=records)
        files.append(file)
    return supersede(store, manifest, files)


def dead_files(store: RawStore, feed: str, ingestion_date: date) -> list[str]:
    """Return the paths of data files that no batch that counts names.

    They belong to superseded and withdrawn batches, or a killed delivery has left them. Unnamed files of the last 24
    hours are left out, because their manifest may still come.
    """
    manifests, folder = store.manifests(feed, ingestion_date), f"{day_path(feed, ingestion_date)}/"
    live = {f"{folder}{file.name}" for manifest in counted(manifests) for file in manifest.files}
    named = {f"{folder}{file.name}" for manifest in manifests for file in manifest.files}
    found = store.modified(f"{folder}batch_")
    old = datetime.now(UTC) - _UNDER_WAY
    return sorted(path for path, moment in found.items() if path not in live and (path in named or moment < old))


def rewrite(
    payload: bytes, contract: FeedContract, fates: Fates, subjects: Subjects, expected: int | None = None
) -> tuple[bytes, int]:
    """Return a file in which these records are removed or anonymised, as `erasure` of the contract says.

    If a record only mentions a person, only the mention is removed. Every other record keeps its text.

    Returns: the bytes of the file, and the number of its records.

    Raises: RedactionError.
    """
    editor = _Editor(contract, subjects)
    new, count = (_csv if contract.format == "csv" else _json)(payload, editor, fates, expected)
    others = (row for position, row in enumerate(_rows(payload, contract, expected)) if position not in fates)
    found = _rows(new, contract, count)
    if len(found) != count or not _is_among(others, found):
        raise RedactionError(f"a file of {contract.name} cannot be redacted: its other records would not stay the same")
    return new, count


def _rows(payload: bytes, contract: FeedContract, expected: int | None) -> list[dict[str, Any]]:
    batches = decode(payload, contract.format, contract.name, contract.feed_columns, expected)
    return [{**row, "_missing_fields": None} for batch in batches for row in batch.to_pylist()]


def _is_among(wanted: Iterable, found: Iterable) -> bool:
    """Return whether all wanted items occur among those found, in order."""
    rest = iter(found)
    return all(row in rest for row in wanted)


@dataclass(frozen=True)
class _Editor:
    """Redacts a record, given as a parsed JSON object."""

    contract: FeedContract
    subjects: Subjects

    def edit(self, record: dict, fate: Found) -> dict | None:
        """Return the record without the person; None if the record must be removed."""
        if fate is Found.MENTIONED:
            return self._edited(record, self.contract.feed_columns, self._without_mention)
        if self.contract.erasure == "anonymise":
            return self._edited(record, self.contract.feed_columns, self._without_person)
        return None

    def _without_person(self, value: Any, column: Column) -> Any:
        return None if _is_personal(column) else self._without_mention(value, column)

    def _without_mention(self, value: Any, column: Column) -> Any:
        if isinstance(value, list):
            return [self._without_mention(one, column) for one in value]
        is_text = isinstance(value, str) and not isinstance(value, _Number) and column.name != CUSTOMER
        return None if is_text and (self.subjects.is_one(value) or self.subjects.in_text(value)) else value

    def _edited(self, value: Any, columns: Collection[Column], of: Callable[[Any, Column], Any]) -> Any:
        """Return the object with `of` applied to each single value, without fields that the contract does not name."""
        known = {column.name: column for column in columns}
        found = {}
        for name, item in value.items():
            if name in known:
                column = known[name]
                is_whole = isinstance(item, list | dict) and column.fields and not _is_personal(column)
                found[name] = self._inside(item, column, of) if is_whole else of(item, column)
        return found

    def _inside(self, item: Any, column: Column, of: Callable[[Any, Column], Any]) -> Any:
        if isinstance(item, list):
            return [self._inside(one, column, of) for one in item]
        return self._edited(item, column.fields, of) if isinstance(item, dict) else item


def _is_personal(column: Column) -> bool:
    return column.name == CUSTOMER or column.classification in _PERSONAL


def _json(payload: bytes, editor: _Editor, fates: Fates, expected: int | None) -> tuple[bytes, int]:
    contract = editor.contract
    kept = list(_kept(split(payload, contract.format, contract.name, expected), editor, fates))
    if contract.format == "json_pages":
        return b'[{"%s":[%s]}]' % (contract.name.encode(), b",".join(kept)), len(kept)
    text = b"".join(line + b"\n" for line in kept)
    return gzip.compress(text, mtime=0) if contract.format == "ndjson_gzip" else text, len(kept)


def _kept(records: Iterable[bytes], editor: _Editor, fates: Fates) -> Iterator[bytes]:
    for position, text in enumerate(records):
        if position not in fates:
            yield text
        elif (new := _edited_text(text, editor, fates[position])) is not None:
            yield new


def _edited_text(text: bytes, editor: _Editor, fate: Found) -> bytes | None:
    """Return the redacted text of a record; None if the record must be removed, or cannot be read."""
    if not is_readable(text, editor.contract.feed_columns):
        return None
    record = editor.edit(json.loads(text, parse_float=_Number, parse_int=_Number), fate)
    return None if record is None else _text(record).encode()


class _Number(str):
    """A number in its original notation: 1.10 stays 1.10."""


def _text(value: Any) -> str:
    if isinstance(value, _Number):
        return str(value)
    if isinstance(value, dict):
        return f"{{{','.join(f'{json.dumps(name)}:{_text(item)}' for name, item in value.items())}}}"
    if isinstance(value, list):
        return f"[{','.join(map(_text, value))}]"
    return json.dumps(value)


def _csv(payload: bytes, editor: _Editor, fates: Fates, expected: int | None) -> tuple[bytes, int]:
    content = csv_content(payload)
    header, *rows = csv_rows(content)
    names = [name.strip() for name in header.fields or ()]
    out = [content[header.start : header.end]]
    for position, row in enumerate(rows):
        if position not in fates:
            out.append(content[row.start : row.end])
        elif row.fields is not None and len(row.fields) == len(names):
            cells = dict(zip(names, row.fields, strict=True))
            if (kept := editor.edit(cells, fates[position])) is not None:
                out.append(_line(kept.get(name) or "" for name in names))
    return b"".join(out), len(out) - 1


def _line(cells: Iterable[str]) -> bytes:
    line = io.StringIO()
    csv.writer(line, lineterminator="\n").writerow(cells)
    return line.getvalue().encode("utf-8", "surrogateescape")
