"""From strings to the types of a contract, and a sentence for all that breaks it. Pure: no action, no write."""

from zoneinfo import available_timezones

from pyspark.sql import Column as SparkColumn
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from retailflow.contracts import Column, EntityContract

REASONS = "_reasons"
RECORD = "_record"
_UNREADABLE = "the record cannot be read"
# RFC 3339 with offset; the local times of the tills have none.
_MOMENT = r"^\d{4}-\d{2}-\d{2}[Tt ]\d{2}:\d{2}:\d{2}(\.\d{1,9})?"
_TEXT_OF = {
    "INT": r"^[+-]?\d{1,10}$",
    "BIGINT": r"^[+-]?\d{1,19}$",
    "DATE": r"^\d{4}-\d{2}-\d{2}$",
    "BOOLEAN": r"^(true|false)$",
    "DECIMAL(18,4)": r"^[+-]?\d{1,14}(\.\d{1,4})?$",
    "TIMESTAMP": rf"{_MOMENT}([Zz]|[+-]\d{{2}}:\d{{2}})$",
    "TIMESTAMP_NTZ": rf"{_MOMENT}$",
}
_NAMES = {
    "INT": "a whole number",
    "BIGINT": "a whole number",
    "DATE": "a date (YYYY-MM-DD)",
    "BOOLEAN": "true or false",
    "DECIMAL(18,4)": "a decimal with at most 4 decimals",
    "TIMESTAMP": "a timestamp with offset (RFC 3339)",
    "TIMESTAMP_NTZ": "a local timestamp (YYYY-MM-DDTHH:MM:SS)",
}
Fault = tuple[SparkColumn, str]


def judge(bronze: DataFrame, contract: EntityContract) -> DataFrame:
    """BRONZE rows typed as SILVER has them, with `_reasons` (empty: accepted) and the record's text as `_record`."""
    names = [column.name for column in contract.feed_columns]
    faults = [fault for column in contract.feed_columns for fault in _faults(F.col(column.name), column, column.name)]
    text = F.coalesce("_corrupt_record", F.to_json(F.struct(*names, "_rescued_data")))
    lineage = contract.quarantine.column_names[2:]
    typed = bronze.select(
        *(_typed(F.col(column.name), column).alias(column.name) for column in contract.feed_columns),
        *lineage,
        _sentences(faults).alias(REASONS),
        F.col("_corrupt_record").isNotNull().alias("_unreadable"),
        text.alias(RECORD),
    )
    derived = {c.name: F.to_date(c.date_of) for c in contract.silver.columns if c.date_of}
    broken = _sentences([(~F.expr(check.expression), check.reason) for check in contract.checks])
    reasons = F.when(F.col("_unreadable"), F.array(F.lit(_UNREADABLE))).otherwise(F.concat(REASONS, broken))
    return typed.withColumns({**derived, REASONS: reasons}).drop("_unreadable")


def accepted(judged: DataFrame, contract: EntityContract) -> DataFrame:
    return judged.where(F.size(REASONS) == 0).select(*contract.silver.column_names)


def rejected(judged: DataFrame, contract: EntityContract) -> DataFrame:
    renamed = judged.where(F.size(REASONS) > 0).withColumnsRenamed({REASONS: "reasons", RECORD: "record"})
    return renamed.select(*contract.quarantine.column_names)


def newest_per_key(frame: DataFrame, key: tuple[str, ...], order: tuple[str, ...]) -> DataFrame:
    """The greatest row of each key by `order`, whatever order the rows come in."""
    best = frame.groupBy(*key).agg(F.max_by(F.struct(*frame.columns), F.struct(*order)).alias("best"))
    return best.select("best.*")


def _sentences(faults: list[Fault]) -> SparkColumn:
    said = [F.when(condition, F.lit(sentence)) for condition, sentence in faults]
    return F.array_compact(F.array(*said)) if said else F.array().cast("array<string>")


def _typed(raw: SparkColumn, column: Column) -> SparkColumn:
    if column.fields:
        parsed = _parsed(raw, column)
        if _is_array(column):
            return F.transform(parsed, lambda item: _struct(item, column))
        return F.when(parsed.isNotNull(), _struct(parsed, column))
    if column.type == "STRING":
        return raw
    if _is_array(column):
        return F.from_json(raw, column.type)
    return F.when(raw.rlike(_TEXT_OF[column.type]), raw.try_cast(column.type))


def _struct(parsed: SparkColumn, column: Column) -> SparkColumn:
    return F.struct(*(_typed(parsed[field.name], field).alias(field.name) for field in column.fields))


def _faults(raw: SparkColumn, column: Column, label: str) -> list[Fault]:
    """What can be wrong with a value. Sentences never quote it: it may be personal, and they are counted and mailed."""
    faults = [(raw.isNull() | (raw == ""), f"{label} is missing")] if column.required else []
    typed = _typed(raw, column)
    if column.fields:
        opening, kind = ("[", "array") if _is_array(column) else ("{", "object")
        parsed = _parsed(raw, column)
        whole = F.ltrim(raw).startswith(opening) & parsed.isNotNull()
        faults.append((raw.isNotNull() & ~whole, f"{label} is not a JSON {kind}"))
        for field in column.fields:
            faults += _field_faults(parsed, column, field, label)
        return faults
    if column.type in _NAMES:
        faults.append((raw.isNotNull() & (raw != "") & typed.isNull(), f"{label} is not {_NAMES[column.type]}"))
    elif _is_array(column):
        faults.append((raw.isNotNull() & typed.isNull(), f"{label} is not a JSON array"))
    if column.valid_values:
        faults.append((~raw.isin(*column.valid_values), f"{label} is not one of {', '.join(column.valid_values)}"))
    if column.is_time_zone:
        faults.append((~raw.isin(*available_timezones()), f"{label} is not an IANA time zone"))
    if column.pattern:
        faults.append((~raw.rlike(column.pattern), f"{label} does not have the form {column.pattern}"))
    if column.minimum is not None:
        faults.append((typed < F.expr(column.minimum), f"{label} is below {column.minimum}"))
    if column.maximum is not None:
        faults.append((typed > F.expr(column.maximum), f"{label} is above {column.maximum}"))
    return faults


def _field_faults(parsed: SparkColumn, column: Column, field: Column, label: str) -> list[Fault]:
    if not _is_array(column):
        inner = _faults(parsed[field.name], field, f"{label}.{field.name}")
        return [(parsed.isNotNull() & condition, sentence) for condition, sentence in inner]
    sentences = [sentence for _, sentence in _faults(F.lit(None), field, f"{label}[].{field.name}")]

    def condition(index: int) -> SparkColumn:
        return F.exists(parsed, lambda item: F.coalesce(_faults(item[field.name], field, "")[index][0], F.lit(False)))

    return [(condition(index), sentence) for index, sentence in enumerate(sentences)]


def _parsed(raw: SparkColumn, column: Column) -> SparkColumn:
    """A nested column one level deep, its fields as text, so that a bad field is told from an absent one."""
    struct = f"STRUCT<{', '.join(f'{field.name}: STRING' for field in column.fields)}>"
    return F.from_json(raw, f"ARRAY<{struct}>" if _is_array(column) else struct)


def _is_array(column: Column) -> bool:
    return column.type.startswith("ARRAY<")
