"""Convert the text of a value to its type, with a sentence for each rule of the contract that it breaks.

Each rule is from "What a record may hold" in the description of the feeds. A sentence never quotes the value, which may
be personal: sentences are counted and mailed.
"""

from collections.abc import Iterator
from functools import cache
from importlib.resources import files

from pyspark.sql import Column as SparkColumn
from pyspark.sql import functions as F

from retailflow.contracts import Column, reserved_ids

Violation = tuple[SparkColumn, str]  # a condition that is true, false or null, and the sentence where it is true

UNKNOWN_ID = "unknown"  # the member of a dimension for ids that it does not know
EARLIEST = "1990-01-01"  # plausible date, unless the contract has another
LATEST = "1 day"  # after the creation of the batch, unless the contract has another
# Unicode's White_Space.
_SPACE = "\t\n\v\f\r \x85\xa0\u1680\u2028\u2029\u202f\u205f\u3000" + "".join(map(chr, range(0x2000, 0x200B)))
_CONTROL = r"[\x00-\x08\x0b\x0c\x0e-\x1f\x80-\x9f]"
_MOMENT = r"\d{4}-\d{2}-\d{2}[Tt ]\d{2}:\d{2}:\d{2}(\.\d{1,9})?"
_FORMS = {
    "DATE": r"\A\d{4}-\d{2}-\d{2}\z",
    "BOOLEAN": r"\A(true|false)\z",
    "TIMESTAMP": rf"\A{_MOMENT}([Zz]|[+-]\d{{2}}:\d{{2}})\z",  # RFC 3339 with offset
    "TIMESTAMP_NTZ": rf"\A{_MOMENT}\z",
}
_IN_TIME = ("DATE", "TIMESTAMP", "TIMESTAMP_NTZ")
# A number as any source may write it. Digits and exponent are limited, because Java computes all digits of the value.
_NUMBER = r"\A[+-]?(\d{1,400}(\.\d{0,400})?|\.\d{1,400})([eE][+-]?0{0,9}\d{1,3})?\z"
_NAMES = {
    "INT": "a whole number",
    "BIGINT": "a whole number",
    "DATE": "a date (YYYY-MM-DD)",
    "BOOLEAN": "true or false",
    "TIMESTAMP": "a timestamp with offset (RFC 3339)",
    "TIMESTAMP_NTZ": "a local timestamp (YYYY-MM-DDTHH:MM:SS)",
}


def trimmed(raw: SparkColumn) -> SparkColumn:
    """Return the text without white space around it; null if nothing is left."""
    text = F.trim(raw, F.lit(_SPACE))
    return F.when(text != "", text)


def typed(text: SparkColumn, column: Column) -> SparkColumn:
    """Return the value of a trimmed text; null if it is not of the column's type. A reserved id becomes `unknown`."""
    if column.type == "STRING":
        if column.references:
            return F.when(text.isin(*reserved_ids(column.references)), F.lit(UNKNOWN_ID)).otherwise(text)
        return text
    if column.type in ("INT", "BIGINT"):
        other = F.when(_is_number(text) & (_decimals(text) <= 0), text.try_cast("decimal(38,0)").try_cast(column.type))
        is_plain = text.rlike(r"\A[+-]?\d{1,19}\z")  # a cast alone ignores control characters
        return F.coalesce(F.when(is_plain, text.try_cast(column.type)), other)
    if column.type.startswith("DECIMAL"):
        digits, scale = _digits_of(column.type)
        is_plain = text.rlike(rf"\A[+-]?\d{{1,{digits}}}(\.\d{{1,{scale}}})?\z")
        return F.when(is_plain | (_is_number(text) & (_decimals(text) <= scale)), text.try_cast(column.type))
    return F.when(text.rlike(_FORMS[column.type]), F.upper(text).try_cast(column.type))


def violations(
    text: SparkColumn, value: SparkColumn, column: Column, label: str, made_at: SparkColumn
) -> Iterator[Violation]:
    """Yield the possible violations of the value of a scalar column.

    Args:
        text: the result of `trimmed`.
        value: the result of `typed`.
        label: the name of the column in sentences.
        made_at: when the batch of the record was created.
    """
    if column.required:
        yield text.isNull(), f"{label} is missing"
    if column.type == "STRING":
        yield from _text_violations(text, column, label)
    else:
        yield from _type_violations(text, value, column, label)
    if column.type in _IN_TIME:
        bounds = f"before {column.minimum or EARLIEST} or more than {column.latest or LATEST} after its delivery"
        yield ~_is_plausible(value, column, made_at), f"{label} is not plausible: {bounds}"
    else:
        if column.minimum is not None:
            yield value < F.expr(column.minimum), f"{label} is below {column.minimum}"
        if column.maximum is not None:
            yield value > F.expr(column.maximum), f"{label} is above {column.maximum}"


def _text_violations(text: SparkColumn, column: Column, label: str) -> Iterator[Violation]:
    if column.valid_values:
        yield ~text.isin(*column.valid_values), f"{label} is not one of {', '.join(column.valid_values)}"
    elif column.is_time_zone:
        yield ~text.isin(*time_zones()), f"{label} is not a time zone of the list that the contracts ship"
    elif column.pattern:
        yield ~text.rlike(rf"\A(?:{column.pattern})\z"), f"{label} does not have the form {column.pattern}"
    else:
        yield text.rlike(_CONTROL), f"{label} has a control character"
    if column.max_length:
        yield F.char_length(text) > column.max_length, f"{label} is longer than {column.max_length} characters"
    if column.reserved:
        yield text.isin(*column.reserved), f"{label} is reserved ({', '.join(column.reserved)})"


def _type_violations(text: SparkColumn, value: SparkColumn, column: Column, label: str) -> Iterator[Violation]:
    is_wrong = text.isNotNull() & value.isNull()
    if column.type in _FORMS:
        yield is_wrong, f"{label} is not {_NAMES[column.type]}"
        return
    scale = _digits_of(column.type)[1] if column.type.startswith("DECIMAL") else 0
    is_finer = _is_number(text) & (_decimals(text) > scale)
    yield is_wrong & _is_number(text) & ~is_finer, f"{label} is too large"
    if scale:
        yield is_wrong & is_finer, f"{label} has more than {scale} decimals"
        yield is_wrong & ~_is_number(text), f"{label} is not a decimal"
    else:
        yield is_wrong & (is_finer | ~_is_number(text)), f"{label} is not {_NAMES[column.type]}"


def _is_plausible(value: SparkColumn, column: Column, made_at: SparkColumn) -> SparkColumn:
    earliest = F.lit(column.minimum or EARLIEST)
    latest = made_at + F.expr(f"INTERVAL {column.latest or LATEST}")
    kind = column.type.lower()
    return value.between(earliest.cast(kind), latest.cast(kind))


def _is_number(text: SparkColumn) -> SparkColumn:
    return text.rlike(_NUMBER)


def _decimals(number: SparkColumn) -> SparkColumn:
    """Return the number of decimals of a number; negative if it ends in zeros before the point."""
    mantissa = F.regexp_extract(number, r"\A[+-]?([0-9.]*)", 1)
    exponent = F.coalesce(F.regexp_extract(number, r"[eE]([+-]?\d+)\z", 1).try_cast("int"), F.lit(0))
    digits = F.regexp_replace(mantissa, r"\.", "")
    zeros = F.length(digits) - F.length(F.regexp_replace(digits, r"0+\z", ""))
    written = F.when(F.instr(mantissa, ".") > 0, F.length(mantissa) - F.instr(mantissa, ".")).otherwise(F.lit(0))
    # All digits of zero itself are zeros, and it has no decimals.
    return F.when(zeros == F.length(digits), F.lit(0)).otherwise(written - zeros - exponent)


def _digits_of(kind: str) -> tuple[int, int]:
    """Return the digits before and after the point of DECIMAL(p,s)."""
    precision, scale = map(int, kind.removeprefix("DECIMAL(").removesuffix(")").split(","))
    return precision - scale, scale


@cache
def time_zones() -> tuple[str, ...]:
    """Return the time zones that a store may have: all names that every JVM and Python we run on know alike."""
    return tuple(files("retailflow.contracts").joinpath("time_zones.txt").read_text("utf-8").split())
