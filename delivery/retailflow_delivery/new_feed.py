"""`./retailflow new-feed`: write a feed's contract from a sample file, and a test with a small pair of files.

datacontract-cli can import a sample too. But it does not know our properties (key, version, format) and type rules: it
turns a decimal into a double, and an id with leading zeros into a number.
"""

import csv
import gzip
import io
import json
import re
import subprocess
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from decimal import Decimal
from itertools import islice
from pathlib import Path
from typing import Annotated, Any

import pyarrow as pa
import pyarrow.parquet as pq
import typer
import yaml

from retailflow.contracts import feeds, gold_tables
from retailflow.contracts.model import parse
from retailflow.strict import LOADER
from retailflow_local.commands import REPOSITORY
from retailflow_local.console import console
from retailflow_local.errors import WorkspaceError

CONTRACTS, PAIRS = Path("include/retailflow/contracts"), Path("tests/feeds")
_NAME = re.compile(r"[a-z][a-z0-9_]{1,40}")
_COLUMN = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,62}")
_ROWS = 5  # rows of the sample that the test uses
_MOST = 10_000  # records of the sample that are read
_FORMATS = {
    ".csv": "csv",
    ".json": "json_document",
    ".ndjson": "ndjson",
    ".jsonl": "ndjson",
    ".ndjson.gz": "ndjson_gzip",
    ".jsonl.gz": "ndjson_gzip",
    ".parquet": "parquet",
}
_DAY = r"\d{4}-\d\d-\d\d"
_TEXTS = (  # the first type whose pattern matches all values of a column wins
    ("BOOLEAN", re.compile("true|false")),
    ("INT", re.compile(r"0|-?[1-9]\d{0,8}")),
    ("BIGINT", re.compile(r"0|-?[1-9]\d{0,17}")),
    ("DECIMAL", re.compile(r"-?(0|[1-9]\d{0,12})(\.\d{1,4})?")),
    ("DATE", re.compile(_DAY)),
    ("TIMESTAMP", re.compile(rf"{_DAY}[Tt ]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)")),
    ("TIMESTAMP_NTZ", re.compile(rf"{_DAY}[Tt ]\d\d:\d\d:\d\d(\.\d+)?")),
)
_DIGITS = re.compile(r"-?\d+")
_LOGICAL = {
    **{"STRING": "string", "INT": "integer", "BIGINT": "integer", "DECIMAL(18,4)": "number", "BOOLEAN": "boolean"},
    **{"DATE": "date", "TIMESTAMP": "timestamp", "TIMESTAMP_NTZ": "timestamp", "ARRAY<STRING>": "array"},
}
_PERSONAL = re.compile(r"e?mail|phone|birth|first_name|last_name|full_name|address|street|iban|ip$")


@dataclass(frozen=True)
class Field:
    """A field of the sample's records. A nested field has `fields` and no type of its own."""

    name: str
    type: str = ""
    is_array: bool = False
    fields: tuple["Field", ...] = field(default=())


@dataclass(frozen=True)
class Sample:
    """The unchanged records of a sample file, with their format and fields."""

    format: str
    fields: tuple[Field, ...]
    records: Sequence[dict[str, Any]]
    schema: pa.Schema | None = None  # of Parquet


def new_feed(
    name: Annotated[str, typer.Argument(metavar="NAME", help="For example suppliers: lower-case letters, digits, _.")],
    sample: Annotated[Path, typer.Option(help=f"A file from the source: {', '.join(_FORMATS)}.")],
    key: Annotated[list[str], typer.Option(help="A column of the key. Repeatable.")],
    version: Annotated[str, typer.Option(help="The column that orders the records of a key.")],
    event: Annotated[
        str | None, typer.Option(help="The moment of an event that never changes: SILVER is partitioned by its date.")
    ] = None,
    owner: Annotated[str, typer.Option(help="The team that owns the feed.")] = "data-engineering",
) -> None:
    """Add a feed: write its contract and a test from a sample file. Nothing else needs an edit (docs/ADD_A_FEED.md)."""
    _check_name(name)
    found = read(sample, name)
    _check_columns(found, key, version, event)
    text = document(name, found, key, version, event, owner)
    try:
        parse(yaml.load(text, LOADER), f"of {name}")
    except ValueError as error:
        raise WorkspaceError(str(error)) from None
    rows, pair = _some(found, key), REPOSITORY / PAIRS / name
    files = {
        (contract := REPOSITORY / CONTRACTS / f"{name}.odcs.yaml"): text,
        pair / f"arrives{_suffix(sample)}": _written(found, rows, name),
        pair / "silver.csv": _expected(found, rows, event),
    }
    pair.mkdir(parents=True)
    for path, content in files.items():
        path.write_bytes(content.encode() if isinstance(content, str) else content)
    for command in (("contracts", "schemas"), ("grants",), ("bundle",)):  # in a process that reads the new contract
        subprocess.run([sys.executable, "-m", "retailflow_local.cli", *command], cwd=REPOSITORY, check=True)
    console.print(f"Wrote {contract.relative_to(REPOSITORY)}, and a test: {pair.relative_to(REPOSITORY)}.")
    if personal := [one.name for one in found.fields if _PERSONAL.search(one.name)]:
        console.print(f"Looks personal: {', '.join(personal)}. Classify it in the contract (docs/PRIVACY.md).")
    console.print("Check both: a sample shows no meanings, required columns or allowed values (docs/ADD_A_FEED.md).")
    console.print(f"Then: ./retailflow test tests/feeds -k {name}, and ./retailflow demo")


def read(path: Path, name: str) -> Sample:
    """Read the first records of a sample. Raises: WorkspaceError if it has no records in a format that BRONZE reads."""
    form = _FORMATS.get(_suffix(path))
    if form is None:
        raise WorkspaceError(f"{path.name} has no known ending; known are {', '.join(_FORMATS)}.")
    try:
        if form == "parquet":
            file = pq.ParquetFile(path)
            fields = tuple(Field(one.name, _of_arrow(one)) for one in file.schema_arrow)
            first = [row for batch in islice(file.iter_batches(_MOST), 1) for row in batch.to_pylist()]
            return _with_records(Sample(form, fields, first, file.schema_arrow), path)
        payload = gzip.decompress(path.read_bytes()) if form == "ndjson_gzip" else path.read_bytes()
        records = list(islice(_records(payload.decode("utf-8-sig"), form, name), _MOST))
    except (OSError, ValueError, pa.ArrowInvalid) as error:
        raise WorkspaceError(f"{path.name} cannot be read as {form}: {error}") from None
    names = dict.fromkeys(column for record in records for column in record)
    is_csv = form == "csv"
    fields = tuple(_field(column, [record.get(column) for record in records], is_csv=is_csv) for column in names)
    return _with_records(Sample(form, fields, records), path)


def document(name: str, sample: Sample, key: Sequence[str], version: str, event: str | None, owner: str) -> str:
    """Return the text of a contract (ODCS 3.1)."""
    word, required = name.replace("_", " "), {*key, version, event}
    lines = [
        "apiVersion: v3.1.0",
        "kind: DataContract",
        f"id: urn:retailflow:{name}",
        f"name: {name}",
        "version: 1.0.0",
        "status: active",
        "domain: retail",
        "description:",
        f'  purpose: "{word.capitalize()}."',
        f'  usage: "SILVER has {word}; no GOLD table reads them yet."',
        '  limitations: "Written from a sample: nothing in it says what else the source may send."',
        f"team: {{name: {owner}}}",
        "roles:",
        "  - {role: silver_reader, access: read}",
        "slaProperties:",
        f'  - {{property: timeOfAvailability, value: "04:00", unit: UTC, element: {name}, '
        "description: SILVER holds the day by then}",
        f"  - {{property: retention, value: 730, unit: d, element: {name}}}",
        "customProperties:",
        "  - {property: delivery, value: file}",
        f"  - {{property: format, value: {sample.format}}}",
        f"  - {{property: versionColumn, value: {version}}}",
        "schema:",
        f"  - name: {name}",
        f"    physicalName: silver.{name}",
        "    logicalType: object",
        "    physicalType: table",
        f'    description: "{word.capitalize()}, the newest version of each."',
        f'    dataGranularityDescription: "One row per {", ".join(key)}."',
        "    properties:",
    ]
    for column in sample.fields:
        position = key.index(column.name) + 1 if column.name in key else 0
        lines += _property(column, position, is_required=column.name in required)
    if event:
        derived = _date_name(event)
        lines += [
            f"      - {{name: {derived}, logicalType: date, physicalType: DATE, required: true, partitioned: true, "
            f"partitionKeyPosition: 1, customProperties: [{{property: dateOf, value: {event}}}],",
            f'         description: "UTC date of {event}."}}',
        ]
    return "\n".join(lines) + "\n"


def as_text(value: Any) -> str:
    """Return a value of SILVER as a cell of `silver.csv`; null is empty."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, datetime):
        naive = value.astimezone(UTC).replace(tzinfo=None) if value.tzinfo else value
        return naive.isoformat(" ")
    if isinstance(value, list | dict):
        return json.dumps(_plain(value), ensure_ascii=False)
    return str(value)


def _plain(value: Any) -> Any:
    if isinstance(value, list):
        return [_plain(one) for one in value]
    return {name: _plain(one) for name, one in value.items()} if isinstance(value, dict) else as_text(value)


def _check_name(name: str) -> None:
    taken = {one.name for one in (*feeds(), *gold_tables())}
    if not _NAME.fullmatch(name) or name.endswith("_history"):
        raise WorkspaceError(f"{name!r} is no name of a feed: small letters, digits and _, as in suppliers.")
    if name in taken:
        raise WorkspaceError(f"There is a contract {name} already. Change it instead, or choose another name.")


def _check_columns(sample: Sample, key: Sequence[str], version: str, event: str | None) -> None:
    kinds = {one.name: one.type for one in sample.fields}
    for column in (*key, version, *([event] if event else ())):
        if column not in kinds:
            raise WorkspaceError(f"The sample has no column {column!r}; it has {', '.join(kinds)}.")
    if wrong := [name for name in kinds if not _COLUMN.fullmatch(name)]:
        raise WorkspaceError(f"{wrong[0]!r} is no name of a column: letters, digits and _. Have the source rename it.")
    if kinds[version] not in ("TIMESTAMP", "TIMESTAMP_NTZ", "DATE", "INT", "BIGINT"):
        raise WorkspaceError(
            f"{version} is {kinds[version] or 'nested'}: a version is a moment, a date or a whole number."
        )
    if event and kinds[event] != "TIMESTAMP":
        raise WorkspaceError(f"{event} is {kinds[event] or 'nested'}: an event has a moment with its offset from UTC.")
    for column in (*key, version):
        if empty := sum(record.get(column) in (None, "") for record in sample.records):
            raise WorkspaceError(f"{column} is empty in {empty} records of the sample; a key and a version never are.")


def _with_records(sample: Sample, path: Path) -> Sample:
    if not sample.records:
        raise WorkspaceError(f"{path.name} has no records, so nothing can be learned from it.")
    return sample


def _suffix(path: Path) -> str:
    return "".join(path.suffixes[-2:] if path.suffix == ".gz" else path.suffixes[-1:]).lower()


def _records(text: str, form: str, name: str) -> Iterator[dict[str, Any]]:
    if form == "csv":
        yield from ({key.strip(): value for key, value in row.items()} for row in csv.DictReader(io.StringIO(text)))
    elif form == "json_document":
        found = _parsed(text)
        if not isinstance(found, dict) or not isinstance(found.get(name), list):
            raise ValueError(f"it is no object with an array {name!r} of records")
        yield from found[name]
    else:
        yield from (_parsed(line) for line in text.splitlines() if line.strip())


def _parsed(text: str) -> Any:
    """Parse JSON, with each fraction as an exact decimal."""
    return json.loads(text, parse_float=Decimal)


def _field(name: str, values: Sequence[Any], *, is_csv: bool = False) -> Field:
    known = [value for value in values if value not in (None, "")]
    if known and all(isinstance(value, list) for value in known):
        inner = [one for value in known for one in value]
        if inner and all(isinstance(one, dict) for one in inner):
            return Field(name, is_array=True, fields=_inner(inner))
        return Field(name, "ARRAY<STRING>")
    if known and all(isinstance(value, dict) for value in known):
        return Field(name, fields=_inner(known))
    return Field(name, _type(known, is_csv=is_csv))


def _inner(records: Sequence[dict[str, Any]]) -> tuple[Field, ...]:
    names = dict.fromkeys(name for record in records for name in record)
    return tuple(_field(name, [record.get(name) for record in records]) for name in names)


def _type(values: Sequence[Any], *, is_csv: bool) -> str:
    """Return the type of all values. In JSON, quoted digits are an id; in CSV, quotes have no meaning."""
    texts = [json.dumps(value) if isinstance(value, bool) else str(value).strip() for value in values]
    if not is_csv and any(isinstance(value, str) and _DIGITS.fullmatch(value) for value in values):
        return "STRING"
    for kind, form in _TEXTS:
        if texts and all(form.fullmatch(text) for text in texts):
            return "DECIMAL(18,4)" if kind == "DECIMAL" else kind
    return "STRING"


def _of_arrow(column: pa.Field) -> str:
    kind = column.type
    if pa.types.is_decimal(kind) or pa.types.is_floating(kind):
        return "DECIMAL(18,4)"
    if pa.types.is_timestamp(kind):
        return "TIMESTAMP" if kind.tz else "TIMESTAMP_NTZ"
    for is_one, name in (
        (pa.types.is_boolean, "BOOLEAN"),
        (pa.types.is_date, "DATE"),
        (pa.types.is_integer, "BIGINT"),
        (pa.types.is_string, "STRING"),
        (pa.types.is_large_string, "STRING"),
    ):
        if is_one(kind):
            return name
    raise WorkspaceError(
        f"{column.name} is {kind}, which no contract describes in Parquet. Leave it out of the sample."
    )


def _property(column: Field, key_position: int, *, is_required: bool, indent: int = 6) -> list[str]:
    head = f"{' ' * indent}- {{name: {column.name}, "
    tail = f'{" " * (indent + 3)}description: "{_spoken(column.name)}."'
    if column.fields:
        lines = [f"{head}logicalType: {'array' if column.is_array else 'object'},", f"{tail},"]
        opening = "items: {logicalType: object, properties: [" if column.is_array else "properties: ["
        inner = [_inline(one) for one in column.fields]
        closing = "]}}" if column.is_array else "]}"
        return [*lines, f"{' ' * (indent + 3)}{opening}", *(f"{' ' * (indent + 5)}{one}," for one in inner[:-1]),
                f"{' ' * (indent + 5)}{inner[-1]}{closing}"]  # fmt: skip
    kind = f"'{column.type}'" if "(" in column.type or "<" in column.type else column.type
    rules = [f"logicalType: {_LOGICAL[column.type]}", f"physicalType: {kind}"]
    if key_position:
        rules += ["primaryKey: true", f"primaryKeyPosition: {key_position}"]
    if is_required:
        rules.append("required: true")
    if key_position and column.type == "STRING":
        rules.append("logicalTypeOptions: {maxLength: 256}")
    return [f"{head}{', '.join(rules)},", f"{tail}}}"]


def _spoken(name: str) -> str:
    """Return the words of a column's name: `unit_price` and `UnitPrice` are both `Unit price`."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", " ", name).replace("_", " ").capitalize()


def _inline(column: Field) -> str:
    if column.fields:
        raise WorkspaceError(f"{column.name} is nested twice: describe its feed by hand (docs/ADD_A_FEED.md).")
    kind = f"'{column.type}'" if "(" in column.type or "<" in column.type else column.type
    said = _spoken(column.name)
    return (
        f'{{name: {column.name}, logicalType: {_LOGICAL[column.type]}, physicalType: {kind}, description: "{said}."}}'
    )


def _some(sample: Sample, key: Sequence[str]) -> list[dict[str, Any]]:
    """Return the first record of each of the first keys, so that SILVER has exactly the records that arrive."""
    found: dict[tuple[Any, ...], dict[str, Any]] = {}
    for record in sample.records:
        found.setdefault(tuple(record[name] for name in key), record)
    return list(found.values())[:_ROWS]


def _written(sample: Sample, rows: Sequence[dict[str, Any]], name: str) -> bytes:
    """Return the rows in the sample's own format."""
    if sample.format == "parquet":
        sink = io.BytesIO()
        pq.write_table(pa.Table.from_pylist(list(rows), schema=sample.schema), sink)
        return sink.getvalue()
    if sample.format == "csv":
        text = io.StringIO()
        writer = csv.DictWriter(text, [one.name for one in sample.fields], lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
        return text.getvalue().encode()
    if sample.format == "json_document":
        return (json.dumps({name: list(rows)}, ensure_ascii=False, default=float, indent=1) + "\n").encode()
    lines = "".join(json.dumps(row, ensure_ascii=False, default=float) + "\n" for row in rows).encode()
    return gzip.compress(lines, mtime=0) if sample.format == "ndjson_gzip" else lines


def _expected(sample: Sample, rows: Sequence[dict[str, Any]], event: str | None) -> str:
    """Return the expected rows of SILVER as CSV, sorted, one per record, without the pipeline's own columns."""
    names = [one.name for one in sample.fields]
    header = [*names, *([_date_name(event)] if event else ())]
    lines = []
    for row in rows:
        values = [_typed(one, row.get(one.name)) for one in sample.fields]
        if event:
            values.append(values[names.index(event)].astimezone(UTC).date())
        lines.append([as_text(value) for value in values])
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([header, *sorted(lines)])
    return text.getvalue()


def _typed(column: Field, value: Any) -> Any:
    """Return a value of the sample in its column's type."""
    if value is None or value == "":
        return None
    if column.fields:
        inner = [{one.name: _typed(one, record.get(one.name)) for one in column.fields} for record in _listed(value)]
        return inner if column.is_array else inner[0]
    if column.type.startswith("DECIMAL"):
        return Decimal(str(value)).quantize(Decimal("0.0001"))
    if column.type.startswith("TIMESTAMP") and isinstance(value, str):
        return datetime.fromisoformat(value.strip())
    if column.type == "DATE" and isinstance(value, str):
        return date.fromisoformat(value.strip())
    if column.type == "BOOLEAN" and isinstance(value, str):
        return value.strip() == "true"
    if column.type in ("INT", "BIGINT"):
        return int(value)
    if isinstance(value, bool | date):  # from Parquet; a datetime is a date too
        return value
    if column.type == "ARRAY<STRING>":
        return [str(one) for one in value]
    return str(value).strip() or None


def _listed(value: Any) -> Iterable[dict[str, Any]]:
    return value if isinstance(value, list) else [value]


def _date_name(event: str) -> str:
    return f"{event.removesuffix('_at')}_date"
