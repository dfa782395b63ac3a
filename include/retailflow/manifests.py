"""Manifests of RAW: what a batch consists of, which batches count, and the names of batches (ULID)."""

import hashlib
import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, date, datetime
from itertools import count
from typing import Annotated

from pydantic import AliasChoices, AwareDatetime, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

_CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_REMEDY = "Nothing of the day is read until this batch is withdrawn; have it delivered again as a new one"
_BATCH_ID = rf"[{_CROCKFORD}]{{26}}"
BatchId = Annotated[str, Field(pattern=f"^{_BATCH_ID}$")]
Sha256 = Annotated[str, BeforeValidator(lambda text: str(text).lower()), Field(pattern=r"^[0-9a-f]{64}$")]


class BadManifest(ValueError):
    """A manifest in RAW cannot be read, or says what cannot be; the message names it."""


class RawFile(BaseModel):
    """A data file as its manifest describes it. `records` are those of the file, whatever became of them."""

    model_config = ConfigDict(extra="ignore", frozen=True)
    name: str = Field(pattern=r"^batch_[0-9A-Za-z_.\-]+$")
    bytes: int = Field(ge=0)
    sha256: Sha256
    records: int = Field(ge=0)


class Manifest(BaseModel):
    """One delivered batch. `records` counts records (an order, a line, an event), not pages or files.

    A batch that another one `supersedes` does not count any more. One that supersedes and names no files withdraws a
    batch; one that names files stands for a batch without the records of a person, whose data then goes
    (redaction.py).
    """

    model_config = ConfigDict(extra="ignore", frozen=True)
    batch_id: BatchId
    entity: str
    ingestion_date: date
    created_at: AwareDatetime
    files: tuple[RawFile, ...]
    supersedes: BatchId | None = Field(default=None, validation_alias=AliasChoices("supersedes", "redacts"))

    @property
    def is_withdrawal(self) -> bool:
        return self.supersedes is not None and not self.files

    @property
    def records(self) -> int:
        return sum(file.records for file in self.files)


class Unreadable(Manifest):
    """Stands for a manifest that cannot be read, so that its batch can be withdrawn; `wrong` is the sentence why."""

    wrong: str


def parse_manifest(path: str, payload: bytes) -> Manifest:
    """A manifest from its bytes: UTF-8 with or without byte order mark; unknown fields are passed over.

    Raises: BadManifest, which names the path and the fields that are wrong, never their values.
    """
    while payload.startswith(_BYTE_ORDER_MARK):
        payload = payload[len(_BYTE_ORDER_MARK) :]
    if not payload.strip():
        raise BadManifest(f"{path} is empty. {_REMEDY}")
    try:
        manifest = Manifest.model_validate(json.loads(payload.decode("utf-8")))
    except ValidationError as error:
        wrong = (f"{'.'.join(map(str, one['loc'])) or 'the whole'}: {one['msg']}" for one in error.errors())
        raise BadManifest(f"{path} is not a manifest ({'; '.join(wrong)}). {_REMEDY}") from None
    except (ValueError, RecursionError):
        raise BadManifest(f"{path} is not a whole JSON object; it may be cut off. {_REMEDY}") from None
    if path.rpartition("/")[2] != f"{manifest.batch_id}.json":
        raise BadManifest(f"{path} says another batch_id than its name. {_REMEDY}")
    return manifest


def stored_manifest(path: str, payload: bytes, entity: str, ingestion_date: date) -> Manifest:
    """The manifest at a path of the folder of this feed and date, or what stands for one that cannot be read.

    Raises: BadManifest where not even the name says which batch it is about.
    """
    batch_id = path.rpartition("/")[2].removesuffix(".json")
    try:
        manifest = parse_manifest(path, payload)
        if (manifest.entity, manifest.ingestion_date) != (entity, ingestion_date):
            raise BadManifest(f"{path} says another feed or date than its folder. {_REMEDY}")
    except BadManifest as error:
        if not re.fullmatch(_BATCH_ID, batch_id):
            raise
        about = {"batch_id": batch_id, "entity": entity, "ingestion_date": ingestion_date}
        return Unreadable(**about, created_at=datetime.fromtimestamp(0, UTC), files=(), wrong=str(error))
    return manifest


def check_consistency(prefix: str, manifests: Sequence[Manifest]) -> None:
    """Check that each manifest of a day can be read and contradicts no other. What is superseded may say anything.

    Raises: BadManifest.
    """
    live = counted(manifests)
    by_id = {manifest.batch_id: manifest for manifest in manifests}
    superseded = Counter(manifest.supersedes for manifest in manifests if manifest.supersedes)
    files = Counter(file.name for manifest in live for file in manifest.files)
    reached: set[str] = set()
    for manifest in live:
        path = f"{prefix}{manifest.batch_id}.json"
        if isinstance(manifest, Unreadable):
            raise BadManifest(manifest.wrong)
        if manifest.supersedes is not None and manifest.supersedes not in by_id:
            raise BadManifest(f"{path} supersedes a batch that has no manifest of its own. {_REMEDY}")
        if superseded[manifest.supersedes] > 1:
            raise BadManifest(f"{path} supersedes a batch that another one supersedes too. {_REMEDY}")
        if any(files[file.name] > 1 for file in manifest.files):
            raise BadManifest(f"{path} names a file that is named more than once, by it or another one. {_REMEDY}")
        while manifest and manifest.batch_id not in reached:
            reached.add(manifest.batch_id)
            manifest = by_id.get(manifest.supersedes or "")
    if circle := sorted(by_id.keys() - reached):
        raise BadManifest(f"{prefix}{circle[0]}.json and others supersede each other in a circle. {_REMEDY}")


def counted(manifests: Iterable[Manifest]) -> list[Manifest]:
    """The batches that count: those that no other one supersedes."""
    manifests = list(manifests)
    superseded = {manifest.supersedes for manifest in manifests}
    return [manifest for manifest in manifests if manifest.batch_id not in superseded]


def counting_for(manifests: Sequence[Manifest], batch_id: str) -> Manifest:
    """The manifest that counts in the place of a batch: its own, or the last of those that supersede it.

    Raises: KeyError where there is no such batch; BadManifest where manifests supersede each other in a circle.
    """
    by_id = {manifest.batch_id: manifest for manifest in manifests}
    by_old = {manifest.supersedes: manifest for manifest in manifests}
    found = by_id[batch_id]
    for _ in manifests:
        if found.batch_id not in by_old:
            return found
        found = by_old[found.batch_id]
    raise BadManifest(f"{found.batch_id}.json and others supersede each other in a circle. {_REMEDY}")


def ulid(moment: datetime, *identity: str) -> str:
    """A ULID that is the same for the same moment and identity, so that a repeated delivery has the same name.

    48 bits of milliseconds and 80 bits, here of a digest instead of chance (ULID specification, Crockford base 32).
    """
    milliseconds = int(moment.timestamp() * 1000)
    digest = hashlib.sha256("\0".join(identity).encode()).digest()[:10]
    number = int.from_bytes(milliseconds.to_bytes(6, "big") + digest, "big")
    return _in_base_32(number)


def neighbours(batch_id: str) -> Iterator[str]:
    """The ULIDs that sort next to this one, the nearest first: right after it, right before it, and so on."""
    number = 0
    for digit in batch_id:
        number = number * 32 + _CROCKFORD.index(digit)
    for distance in count(1):
        yield _in_base_32(number + distance)
        yield _in_base_32(number - distance)


def _in_base_32(number: int) -> str:
    return "".join(_CROCKFORD[(number >> shift) & 31] for shift in range(125, -1, -5))
