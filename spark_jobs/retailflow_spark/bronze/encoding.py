"""Bytes of a file as text: UTF-8 with or without byte order marks, gzip with one or several members.

A message never quotes the content of a file, only sizes and positions.
"""

import codecs
import zlib

# Limits of a file. A Python worker of serverless compute has 1 GB of memory and needs about six times the file's size.
MOST_BYTES = 128 * 2**20  # decompressed
MOST_RECORDS = 1_000_000
BYTE_ORDER_MARK = b"\xef\xbb\xbf"
NOT_UTF8 = "the record is not UTF-8; it seems to be Windows-1252 or another single-byte encoding"
_GZIP = b"\x1f\x8b"
_CHUNK = 16 * 1024
_PART = 2**20
_KNOWN_BEGINNINGS = (
    (b"\xff\xfe\x00\x00", "UTF-32"),
    (b"\x00\x00\xfe\xff", "UTF-32"),
    (b"\xff\xfe", "UTF-16"),
    (b"\xfe\xff", "UTF-16"),
    (_GZIP, "gzip"),
    (b"PK\x03\x04", "a ZIP archive or an Excel workbook"),
    (b"\xd0\xcf\x11\xe0", "an Excel workbook"),
    (b"\x28\xb5\x2f\xfd", "zstd"),
    (b"BZh", "bzip2"),
    (b"PAR1", "Parquet"),
    (b"%PDF", "a PDF"),
)


class BadFile(ValueError):
    """A file as a whole breaks its contract: no record of its day may be loaded."""


def check_size(size: int, records: int = 0) -> None:
    """Check the size of a file in bytes and records. Raises: BadFile where it is too large for a worker's memory."""
    if size > MOST_BYTES:
        raise BadFile(f"holds more than {MOST_BYTES // 2**20} MiB; have it delivered in several files")
    if records > MOST_RECORDS:
        raise BadFile(f"holds more than {MOST_RECORDS:,} records; have it delivered in several files")


def without_marks(payload: bytes) -> bytes:
    """Return the payload without the byte order marks at its beginning, however many there are."""
    while payload.startswith(BYTE_ORDER_MARK):
        payload = payload[len(BYTE_ORDER_MARK) :]
    return payload


def check_is_text(payload: bytes) -> None:
    """Check that a file seems to be UTF-8 text. Raises: BadFile, which names the probable format."""
    for beginning, kind in _KNOWN_BEGINNINGS:
        if payload.startswith(beginning):
            raise BadFile(f"is not UTF-8 text; it seems to be {kind}")
    head = payload[:400]
    if head.count(0) * 3 > len(head):
        raise BadFile("is not UTF-8 text; it seems to be UTF-16 or UTF-32")


def is_utf8(payload: bytes) -> bool:
    """Return whether all bytes are UTF-8."""
    if payload.isascii():
        return True
    try:
        payload.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def check_is_whole_text(payload: bytes) -> None:
    """Check that all bytes of a file are UTF-8, where the file is one value, as a JSON document. Raises: BadFile."""
    check_is_text(payload)
    if (position := first_wrong_byte(payload)) is not None:
        kind = "Windows-1252 or another single-byte encoding"
        raise BadFile(f"is not UTF-8 from byte {position} on; it seems to be {kind}")


def first_wrong_byte(payload: bytes) -> int | None:
    """Return the position of the first byte that is not UTF-8, or None.

    Each part is decoded separately: the text of a whole file would take up to four times its bytes.
    """
    decoder = codecs.getincrementaldecoder("utf-8")()
    for start in range(0, len(payload), _PART):
        part = payload[start : start + _PART]
        try:
            decoder.decode(part, final=start + _PART >= len(payload))
        except UnicodeDecodeError as error:  # positions in `error` count from the bytes left over from the part before
            return start + len(part) - len(error.object) + error.start
    return None


def gunzip(payload: bytes) -> bytes:
    """Return the content of all members of a gzip file.

    Raises: BadFile where the file is cut off or damaged, has bytes outside its members, or is compressed twice.
    """
    if not payload:
        raise BadFile("is empty: not even an empty gzip file")
    view, position, found, size = memoryview(payload), 0, [], 0
    while position < len(view):
        if view[position : position + 2] != _GZIP:
            what = "is not a gzip file" if position == 0 else f"has bytes after its last gzip member, at {position}"
            raise BadFile(what)
        member = zlib.decompressobj(zlib.MAX_WBITS | 16)
        while not member.eof:
            chunk = view[position : position + _CHUNK]
            if not chunk:
                raise BadFile("is cut off: its last gzip member has no end")
            try:
                content = member.decompress(chunk, MOST_BYTES - size + 1)
            except zlib.error:
                raise BadFile(f"is damaged: its gzip member cannot be decompressed near byte {position}") from None
            found.append(content)
            size += len(content)
            check_size(size)
            position += len(chunk) - len(member.unused_data)
    content = b"".join(found)
    if content.startswith(_GZIP):
        raise BadFile("is compressed twice")
    return content
