"""Manifests of RAW: the files of a batch, the batches that count, and the ids of batches (ULID)."""

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
    """A manifest in RAW cannot be read or contradicts another one. The message names it."""


class RawFile(BaseModel):
    """A data file as its manifest describes it. `records` counts all records of the file, valid or not."""

    model_config = ConfigDict(extra="ignore", frozen=True)
    name: str = Field(pattern=r"^batch_[0-9A-Za-z_.\-]+$")
    bytes: int = Field(ge=0)
    sha256: Sha256
    records: int = Field(ge=0)


class Manifest(BaseModel):
    """One delivered batch. `records` counts records (an order, a line, an event), not pages or files.

    A batch that another batch `supersedes` no longer counts. A manifest that supersedes a batch and names no files
    withdraws it. A manifest that supersedes a batch and names files replaces it without the records of an erased person
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
    """A placeholder for an unreadable manifest, so that its batch can be withdrawn. `wrong` says why."""

    wrong: str


def parse_manifest(path: str, payload: bytes) -> Manifest:
    """Parse a manifest: UTF-8 with or without byte order mark. Unknown fields are ignored.

    Raises: BadManifest, which names the path and the wrong fields, never their values.
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
        raise BadManifest(f"{path} has a different batch_id than its name. {_REMEDY}")
    return manifest


def stored_manifest(path: str, payload: bytes, feed: str, ingestion_date: date) -> Manifest:
    """Return the manifest at a path in the folder of this feed and date; `Unreadable` where it cannot be read.

    Raises: BadManifest where the name of the file is not the id of a batch.
    """
    batch_id = path.rpartition("/")[2].removesuffix(".json")
    try:
        manifest = parse_manifest(path, payload)
        if (manifest.entity, manifest.ingestion_date) != (feed, ingestion_date):
            raise BadManifest(f"{path} has a different feed or date than its folder. {_REMEDY}")
    except BadManifest as error:
        if not re.fullmatch(_BATCH_ID, batch_id):
            raise
        return Unreadable(
            batch_id=batch_id,
            entity=feed,
            ingestion_date=ingestion_date,
            created_at=datetime.fromtimestamp(0, UTC),
            files=(),
            wrong=str(error),
        )
    return manifest


def check_consistency(prefix: str, manifests: Sequence[Manifest]) -> None:
    """Check that each manifest of a day can be read and contradicts no other. Superseded manifests are not checked.

    Raises: BadManifest.
    """
    live = counted(manifests)
    by_id = {manifest.batch_id: manifest for manifest in manifests}
    superseded = Counter(manifest.supersedes for manifest in manifests if manifest.supersedes)
    files = Counter(file.name for manifest in live for file in manifest.files)
    for manifest in live:
        path = f"{prefix}{manifest.batch_id}.json"
        if isinstance(manifest, Unreadable):
            raise BadManifest(manifest.wrong)
        if manifest.supersedes is not None and manifest.supersedes not in by_id:
            raise BadManifest(f"{path} supersedes a batch that has no manifest of its own. {_REMEDY}")
        if superseded[manifest.supersedes or ""] > 1:
            raise BadManifest(f"{path} supersedes a batch that another one supersedes too. {_REMEDY}")
        if any(files[file.name] > 1 for file in manifest.files):
            raise BadManifest(f"{path} names a file that is named more than once, by it or another one. {_REMEDY}")
    for batch_id in sorted(by_id.keys() & superseded.keys()):
        counting_for(manifests, batch_id)


def counted(manifests: Iterable[Manifest]) -> list[Manifest]:
    """Return the batches that count: those that no other batch supersedes."""
    manifests = list(manifests)
    superseded = {manifest.supersedes for manifest in manifests}
    return [manifest for manifest in manifests if manifest.batch_id not in superseded]


def counting_for(manifests: Sequence[Manifest], batch_id: str) -> Manifest:
    """Return the manifest that counts for a batch: its own, or the last one that supersedes it.

    Raises: KeyError where the batch has no manifest; BadManifest where manifests supersede each other in a circle.
    """
    found = {manifest.batch_id: manifest for manifest in manifests}[batch_id]
    by_old = {manifest.supersedes: manifest for manifest in manifests}
    for _ in manifests:
        if found.batch_id not in by_old:
            return found
        found = by_old[found.batch_id]
    raise BadManifest(f"the manifest of {batch_id} and others supersede each other in a circle. {_REMEDY}")


def ulid(moment: datetime, *identity: str) -> str:
    """Return a ULID that depends only on the moment and the identity, so a repeated delivery has the same name.

    It has 48 bits of milliseconds and 80 bits of a digest, which replaces the random part (ULID specification,
    Crockford base 32).
    """
    milliseconds = int(moment.timestamp() * 1000)
    digest = hashlib.sha256("\0".join(identity).encode()).digest()[:10]
    number = int.from_bytes(milliseconds.to_bytes(6, "big") + digest, "big")
    return _in_base_32(number)


def neighbours(batch_id: str) -> Iterator[str]:
    """Yield the ULIDs that sort next to this one, the nearest first: right after it, right before it, and so on."""
    number = 0
    for digit in batch_id:
        number = number * 32 + _CROCKFORD.index(digit)
    for distance in count(1):
        yield _in_base_32(number + distance)
        yield _in_base_32(number - distance)


def _in_base_32(number: int) -> str:
    return "".join(_CROCKFORD[(number >> shift) & 31] for shift in range(125, -1, -5))
