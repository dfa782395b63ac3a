"""From strings to the types of a contract, and a sentence for all that breaks it. Pure: no action, no write."""

from zoneinfo import available_timezones

from pyspark.sql import Column as SparkColumn
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from retailflow.contracts import Column, EntityContract

REASONS = "_reasons"
RECORD = "_record"
# Spark pushes no filter below a projection that is not deterministic. Without this one, `where(no reasons)` would go
# down to the scan with every column it names written out, and each JSON text be parsed some twenty times a row.
# Of such expressions this is one that a stream may have.
_FENCE = "_fence"
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
    bronze = _parse_nested(bronze, contract.feed_columns)
    names = [column.name for column in contract.feed_columns]
    text = F.coalesce("_corrupt_record", F.to_json(F.struct(*names, "_rescued_data")))
    lineage = contract.quarantine.column_names[2:]
    typed = bronze.select(
        *(_typed(F.col(column.name), column, column.name).alias(column.name) for column in contract.feed_columns),
        *lineage,
        _sentences(_field_faults(contract)).alias(REASONS),
        F.col("_corrupt_record").isNotNull().alias("_unreadable"),
        text.alias(RECORD),
        F.spark_partition_id().alias(_FENCE),
    )
    derived = [F.to_date(column.date_of).alias(column.name) for column in contract.silver.columns if column.date_of]
    broken = _sentences([(~F.expr(check.expression), check.reason) for check in contract.checks])
    reasons = F.when(F.col("_unreadable"), F.array(F.lit(_UNREADABLE))).otherwise(F.concat(REASONS, broken))
    return typed.select(*names, *lineage, *derived, reasons.alias(REASONS), RECORD, _FENCE)


def reasons(contract: EntityContract) -> list[str]:
    """Every sentence that `judge` can say of a record."""
    said = (sentence for _, sentence in _field_faults(contract))
    return list(dict.fromkeys((_UNREADABLE, *said, *(check.reason for check in contract.checks))))


def typed_key(bronze: DataFrame, contract: EntityContract) -> DataFrame:
    """BRONZE rows with what identifies a record typed as SILVER has it: key, version, and the event date's source."""
    silver = contract.silver
    dated = {column.date_of for column in silver.columns if column.date_of and column.name == contract.event_date}
    wanted = {*silver.key, contract.version_column, *dated}
    return bronze.withColumns(
        {c.name: _typed(F.col(c.name), c, c.name) for c in contract.feed_columns if c.name in wanted}
    )


def accepted(judged: DataFrame, contract: EntityContract) -> DataFrame:
    return judged.where((F.size(REASONS) == 0) & (F.col(_FENCE) >= 0)).select(*contract.silver.column_names)


def rejected(judged: DataFrame, contract: EntityContract) -> DataFrame:
    broken = judged.where((F.size(REASONS) > 0) & (F.col(_FENCE) >= 0))
    lineage = contract.quarantine.column_names[2:]
    return broken.select(F.col(REASONS).alias("reasons"), F.col(RECORD).alias("record"), *lineage)


def newest_per_key(frame: DataFrame, key: tuple[str, ...], order: tuple[str, ...]) -> DataFrame:
    """The greatest row of each key by `order`, whatever order the rows come in."""
    best = frame.groupBy(*key).agg(F.max_by(F.struct("*"), F.struct(*order)).alias("best"))
    return best.select("best.*")


def _sentences(faults: list[Fault]) -> SparkColumn:
    said = [F.when(condition, F.lit(sentence)) for condition, sentence in faults]
    return F.array_compact(F.array(*said)) if said else F.array().cast("array<string>")


def _parse_nested(frame: DataFrame, columns: tuple[Column, ...], path: str = "") -> DataFrame:
    """Adds each nested column one level deep, its fields as text, so that a bad field is told from an absent one.

    As columns of their own, so that each is parsed once however many checks look into it. Not by withColumn: with it a
    declarative pipeline of Spark 4.1 forgets that the frame is made of another table of the pipeline.
    """
    for column in columns:
        if column.fields:
            raw = F.col(_parsed(path))[column.name] if path else F.col(column.name)
            inner = f"{path}.{column.name}" if path else column.name
            struct = f"STRUCT<{', '.join(f'{field.name}: STRING' for field in column.fields)}>"
            kind = f"ARRAY<{struct}>" if _is_array(column) else struct
            frame = frame.select("*", F.from_json(raw, kind).alias(_parsed(inner)))
            if not _is_array(column):
                frame = _parse_nested(frame, column.fields, inner)
    return frame


def _parsed(path: str) -> str:
    return f"_parsed_{path.replace('.', '_')}"


def _typed(raw: SparkColumn, column: Column, path: str) -> SparkColumn:
    if column.fields:
        parsed = F.col(_parsed(path))
        if _is_array(column):
            return F.transform(parsed, lambda item: _struct(item, column, path))
        return F.when(parsed.isNotNull(), _struct(parsed, column, path))
    if column.type == "STRING":
        return raw
    if _is_array(column):
        return F.from_json(raw, column.type)
    return F.when(raw.rlike(_TEXT_OF[column.type]), raw.try_cast(column.type))


def _struct(parsed: SparkColumn, column: Column, path: str) -> SparkColumn:
    fields = (_typed(parsed[field.name], field, f"{path}.{field.name}").alias(field.name) for field in column.fields)
    return F.struct(*fields)


def _field_faults(contract: EntityContract) -> list[Fault]:
    return [fault for column in contract.feed_columns for fault in _faults(F.col(column.name), column, column.name)]


def _faults(raw: SparkColumn, column: Column, label: str) -> list[Fault]:
    """What can be wrong with a value. Sentences never quote it: it may be personal, and they are counted and mailed."""
    faults = [(raw.isNull() | (raw == ""), f"{label} is missing")] if column.required else []
    if column.fields:
        return faults + _nested_faults(raw, column, label)
    typed = _typed(raw, column, label)
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


def _nested_faults(raw: SparkColumn, column: Column, label: str) -> list[Fault]:
    parsed = F.col(_parsed(label))
    opening, kind = ("[", "array") if _is_array(column) else ("{", "object")
    is_whole = F.ltrim(raw).startswith(opening) & parsed.isNotNull()
    faults = [(raw.isNotNull() & ~is_whole, f"{label} is not a JSON {kind}")]
    for field in column.fields:
        if _is_array(column):
            faults += _item_faults(parsed, field, f"{label}[].{field.name}")
        else:
            inner = _faults(parsed[field.name], field, f"{label}.{field.name}")
            faults += [(raw.isNotNull() & condition, sentence) for condition, sentence in inner]
    return faults


def _item_faults(items: SparkColumn, field: Column, label: str) -> list[Fault]:
    """A fault of the array where any of its items has it."""
    sentences = [sentence for _, sentence in _faults(F.lit(None), field, label)]

    def anywhere(index: int) -> SparkColumn:
        def is_bad(item: SparkColumn) -> SparkColumn:
            return F.coalesce(_faults(item[field.name], field, label)[index][0], F.lit(False))

        return F.exists(items, is_bad)

    return [(anywhere(index), sentence) for index, sentence in enumerate(sentences)]


def _is_array(column: Column) -> bool:
    return column.type.startswith("ARRAY<")
