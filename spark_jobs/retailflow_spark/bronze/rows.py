"""Collect the records of a file as rows of BRONZE, and find the fields that the file lacks."""

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

import pyarrow as pa
import pyarrow.compute as pc

from retailflow.contracts import Column
from retailflow_spark.bronze.encoding import MOST_BYTES, BadFile

ROWS_PER_BATCH = 20_000
CHARACTERS_PER_BATCH = 16 * 2**20  # Python uses up to four bytes per character
MOST_TEXT = 3 * MOST_BYTES  # of a file, as text in columns: Parquet may store the value of a million rows once
# If this many records lack a required field, the source has renamed it. Fewer may just be bad records.
ENOUGH_RECORDS = 100
ASIDE = ("_rescued_data", "_corrupt_record", "_corrupt_reason")
_UNIT, _NULL = "\x1f", "\x00"  # neither is in valid text
_IF_MEANT = "If the source keeps this, change the contract"


@dataclass
class Level:
    """The fields of one object in the contract, and those that no record of the file has had so far (`unseen`).

    `path` is the prefix of the names of the fields: empty for a record, `shipping.` or `lines[].` inside a record.
    """

    path: str
    columns: dict[str, Column]
    inner: dict[str, "Level"]
    unseen: set[str]
    records: int = 0  # the number of records with this object
    _last: int = -1

    @classmethod
    def of(cls, columns: Iterable[Column], path: str = "") -> "Level":
        """Return the level of these columns, with the levels inside them."""
        named = {column.name: column for column in columns}
        inner = {
            name: cls.of(column.fields, f"{path}{name}{'[]' if column.is_array else ''}.")
            for name, column in named.items()
            if column.fields
        }
        return cls(path, named, inner, set(named))

    def see(self, names: Iterable[str], record: int) -> None:
        """Record the fields of an object in the record with this number."""
        if record != self._last:
            self.records, self._last = self.records + 1, record
        if self.unseen:
            self.unseen.difference_update(names)

    def missing(self) -> str | None:
        """Return the fields that no record of the file has, comma-separated; None if there are none.

        A single record says nothing about the file.

        Raises: BadFile where so many records lack a required field that the source must have renamed it.
        """
        found, required = [], []
        for level in self._levels():
            if level.records > 1:
                absent = [column for name, column in level.columns.items() if name in level.unseen]
                found += [level.path + column.name for column in absent]
                if level.records >= ENOUGH_RECORDS:
                    required += [level.path + column.name for column in absent if column.required]
        if required:
            raise BadFile(f"lacks {', '.join(required)}, which the contract requires, in all its records. {_IF_MEANT}")
        return ", ".join(found) or None

    def _levels(self) -> Iterator["Level"]:
        yield self
        for level in self.inner.values():
            yield from level._levels()


@dataclass
class Rows:
    """Collects the records of a file, in order.

    A row has the text of each column of the contract and `_rescued_data` (fields that the contract does not name, as a
    JSON object by path). A record that cannot be read has `_corrupt_record` and `_corrupt_reason` instead.
    """

    columns: tuple[Column, ...]
    _rows: list[Sequence[str | None]] = field(default_factory=list)
    _characters: int = 0
    _batches: list[pa.RecordBatch] = field(default_factory=list)
    _bytes: int = 0

    @property
    def names(self) -> list[str]:
        """The names of the columns."""
        return [*(column.name for column in self.columns), *ASIDE]

    def add(self, values: Sequence[str | None], rescued: str | None) -> None:
        """Add a record: the text of each column, and its unknown fields."""
        self._append([*values, rescued, None, None])

    def add_corrupt(self, text: str, reason: str) -> None:
        """Add a record that cannot be read."""
        self._append([*[None] * len(self.columns), None, text, reason])

    def add_batch(self, columns: list[pa.Array]) -> None:
        """Add records that are already columns, in the order of `names`."""
        self._flush()
        self._keep(columns)

    def finish(self, missing: str | None) -> Iterator[pa.RecordBatch]:
        """Yield the records, with the fields that the whole file lacks and a digest of each record as received."""
        self._flush()
        for batch in self._batches:
            lacking = pa.repeat(pa.scalar(missing, pa.string()), batch.num_rows)
            columns = [*batch.columns, lacking, _digests(batch)]
            yield pa.record_batch(columns, names=[*batch.schema.names, "_missing_fields", "_record_md5"])

    def _append(self, row: list[str | None]) -> None:
        self._rows.append(row)
        self._characters += sum(len(value) for value in row if value)
        if len(self._rows) == ROWS_PER_BATCH or self._characters > CHARACTERS_PER_BATCH:
            self._flush()

    def _flush(self) -> None:
        if self._rows:
            columns = [pa.array(values, pa.string()) for values in zip(*self._rows, strict=True)]
            self._rows, self._characters = [], 0
            self._keep(columns)

    def _keep(self, columns: list[pa.Array]) -> None:
        batch = pa.record_batch(columns, names=self.names)
        self._batches.append(batch)
        self._bytes += batch.nbytes
        if self._bytes > MOST_TEXT:
            raise BadFile(f"holds more than {MOST_TEXT // 2**20} MiB of text; have it delivered in several files")


def _digests(batch: pa.RecordBatch) -> pa.Array:
    """Return the MD5 of each record. An absent field and a null have the same digest."""
    said = pc.binary_join_element_wise(*batch.columns, _UNIT, null_handling="replace", null_replacement=_NULL)
    return pa.array([hashlib.md5(text).hexdigest() for text in said.cast(pa.binary()).to_pylist()], pa.string())
