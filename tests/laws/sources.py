"""Write records as sources do: the files of a batch, in all the forms that a feed allows."""

import csv
import gzip
import hashlib
import io
import json
import random
import re
from collections.abc import Callable, Sequence
from datetime import date, datetime
from typing import Any

from retailflow.manifests import ulid
from retailflow.raw import RawStore

from .sources_parquet import parquet_files

Record = dict[str, Any]
Sent = Record | str | bytes  # text or bytes are written unchanged

MARK = b"\xef\xbb\xbf"
HEADER = "the header of the file once more"  # as a record of CSV


class Exact(str):
    """A number or another token of JSON, written with exactly this text."""

    __slots__ = ()


class Again(str):
    """A name that an object has once more."""

    __slots__ = ()
    __hash__ = object.__hash__

    def __eq__(self, other: object) -> bool:
        return self is other


def deliver(store: RawStore, feed: str, day: date, sent: Sequence[Sent], created_at: datetime) -> str:
    """Write a batch of these records: its files, then the manifest. Return its id.

    The form of the files is derived from the batch, so that a history can be repeated.
    """
    batch_id = ulid(created_at, feed, repr(sent))
    chance = random.Random(batch_id)
    folder, files = f"{feed}/ingestion_date={day}", []
    for number, (suffix, payload, count) in enumerate(_files(feed, list(sent), chance)):
        name = f"batch_{batch_id}.{number}{suffix}"
        store.create(f"{folder}/{name}", payload)
        digest = hashlib.sha256(payload).hexdigest()
        files.append({"name": name, "bytes": len(payload), "sha256": digest, "records": count})
    manifest = {
        "batch_id": batch_id, "entity": feed, "ingestion_date": str(day), "created_at": created_at.isoformat(),
        "files": files, "written_by": {"system": "a source"},
    }  # fmt: skip
    store.create(f"{folder}/_batches/{batch_id}.json", chance.choice((b"", MARK)) + json.dumps(manifest).encode())
    return batch_id


def _files(feed: str, sent: list[Sent], chance: random.Random) -> list[tuple[str, bytes, int]]:
    """Return the suffix, the content and the number of records of each file."""
    suffix, write = _WRITERS[feed]
    cuts = sorted(chance.randint(0, len(sent)) for _ in range(chance.choice((0, 0, 1, 2))))
    parts = [sent[start:stop] for start, stop in zip([0, *cuts], [*cuts, len(sent)], strict=True)]
    return [(suffix, payload, count) for part in parts if part for payload, count in write(feed, part, chance)]


def _one(text: Callable[[str, list[Sent], random.Random], bytes]) -> Callable:
    """Return a writer that writes all records into one file."""
    return lambda feed, sent, chance: [(text(feed, sent, chance), len(sent))]


def _pages(feed: str, sent: list[Sent], chance: random.Random) -> bytes:
    cut = chance.randint(0, len(sent))
    pages = [_document(feed, page, chance) for page in (sent[:cut], sent[cut:])]
    return _marks(chance) + b"[" + chance.choice((b",", b" ,\r\n")).join(pages) + b"]" + chance.choice((b"", b"\n"))


def _document(feed: str, sent: list[Sent], chance: random.Random) -> bytes:
    """Return a document of records. It is always valid UTF-8, since other bytes would spoil the whole file."""
    write, gap = _json_writer(chance), chance.choice((", ", ",", "\n , \t"))
    records = gap.join(record if isinstance(record, str) else write(record) for record in sent)
    around = chance.choice(("", '"next_cursor": null, ', '"of": {"orders": [1], "products": 2}, '))
    return _marks(chance) + f'{{{around}"{feed}": [{records}]}}'.encode()


def _lines(feed: str, sent: list[Sent], chance: random.Random) -> bytes:
    write, has_blanks, end = _json_writer(chance), chance.random() < 0.3, chance.choice((b"\n", b"\r\n"))
    lines = []
    for record in sent:
        text = write(record) if isinstance(record, dict) else record
        line = text if isinstance(text, bytes) else text.encode("utf-8", "surrogatepass")
        lines.append(chance.choice((b"", b"", b" ", MARK)) + line + end)
        if has_blanks and chance.random() < 0.5:
            lines.append(chance.choice((b"\n", b" \t\n", b"\r\n")))
    content = _marks(chance) + b"".join(lines)
    return content.removesuffix(b"\n") if chance.random() < 0.3 else content


def _zipped_lines(feed: str, sent: list[Sent], chance: random.Random) -> bytes:
    """Return lines in one or several gzip members, which may begin and end anywhere."""
    content = _lines(feed, sent, chance)
    cuts = sorted(chance.randint(0, len(content)) for _ in range(chance.choice((0, 0, 1, 3))))
    members = [content[start:stop] for start, stop in zip([0, *cuts], [*cuts, len(content)], strict=True)]
    return b"".join(gzip.compress(member, mtime=0) for member in members)


_KEYS = {"stores": ("store_id", "updated_at"), "store_sales": ("receipt_id", "line_number", "revision")}


def _csv(feed: str, sent: list[Sent], chance: random.Random) -> bytes:
    given = (str(name) for record in sent if isinstance(record, dict) for name in record)
    names = list(dict.fromkeys((*_KEYS[feed], *given)))
    chance.shuffle(names)
    quoting, end = chance.choice((csv.QUOTE_MINIMAL, csv.QUOTE_ALL)), chance.choice(("\n", "\r\n"))
    content, has_blanks = io.StringIO(), chance.random() < 0.3
    writer = csv.writer(content, lineterminator=end, quoting=quoting)
    header = [chance.choice(("{}", "{}", " {}", "{}\t")).format(name) for name in names]
    for record in (header, *sent):
        if isinstance(record, dict):
            writer.writerow([_csv_text(record.get(name)) for name in names])
        elif isinstance(record, list) or record == HEADER:
            writer.writerow(header)
        else:
            content.write(f"{record}{end}")
        content.write(end if has_blanks and chance.random() < 0.5 else "")
    text = content.getvalue()
    return _marks(chance) + (text.removesuffix(end) if chance.random() < 0.3 else text).encode("utf-8", "surrogatepass")


def _csv_text(value: Any) -> str:
    return value if isinstance(value, str) else "" if value is None else json.dumps(value)


def _json_writer(chance: random.Random) -> Callable[[Record], str]:
    is_ascii = chance.choice((True, False))
    return lambda record: _json(record, is_ascii)


def _json(value: Any, is_ascii: bool) -> str:
    if isinstance(value, Exact):
        return str(value)
    if isinstance(value, dict):
        members = (f"{_quoted(str(name), is_ascii)}: {_json(inner, is_ascii)}" for name, inner in value.items())
        return f"{{{', '.join(members)}}}"
    if isinstance(value, list):
        return f"[{', '.join(_json(item, is_ascii) for item in value)}]"
    return _quoted(value, is_ascii) if isinstance(value, str) else json.dumps(value)


def _quoted(text: str, is_ascii: bool) -> str:
    """Return text as JSON. Half of a surrogate pair is always escaped, because UTF-8 cannot encode it."""
    written = json.dumps(text, ensure_ascii=is_ascii)
    return re.sub("[\ud800-\udfff]", lambda half: f"\\u{ord(half[0]):04x}", written)


def _marks(chance: random.Random) -> bytes:
    return MARK * chance.choice((0, 0, 1, 2))


_WRITERS: dict[str, tuple[str, Callable]] = {
    "orders": (".json", _one(_pages)),
    "customers": (".json", _one(_pages)),
    "products": (".json", _one(_document)),
    "stores": (".csv", _one(_csv)),
    "store_sales": (".csv", _one(_csv)),
    "inventory": (".parquet", lambda feed, sent, chance: parquet_files(sent, chance)),
    "payments": (".ndjson", _one(_lines)),
    "clickstream": (".ndjson.gz", _one(_zipped_lines)),
}
