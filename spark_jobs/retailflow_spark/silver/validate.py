"""From the text of BRONZE to the types of a contract, with a sentence for each rule that a record breaks.

Pure: no action, no write.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

from pyspark.sql import Column as SparkColumn
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from retailflow.contracts import Column, EntityContract
from retailflow_spark.bronze import csv_records, json_records
from retailflow_spark.silver.values import Violation, trimmed, typed, violations

REASONS = "_reasons"
RECORD = "_record"
# Spark pushes no filter below a projection that is not deterministic. Without this one, `where(no reasons)` would go
# down to the scan with every column it names written out, and each JSON text be parsed some twenty times a row.
# Of such expressions this is one that a stream may have.
FENCE = "_fence"
_UNREADABLE = "the record cannot be read"
_MADE_AT = "_ingested_at"


def validate(bronze: DataFrame, contract: EntityContract) -> DataFrame:
    """The rows of BRONZE typed as SILVER has them.

    Returns: the columns of SILVER, `_reasons` (empty for a valid record) and `_record`, the text of the record.
    """
    columns = contract.feed_columns
    names = [column.name for column in columns]
    lineage = contract.quarantine.column_names[2:]
    dates = [F.to_date(column.date_of).alias(column.name) for column in contract.silver.columns if column.date_of]
    received = F.coalesce("_corrupt_record", F.to_json(F.struct(*names, "_rescued_data"))).alias(RECORD)
    is_corrupt, unreadable = F.col("_is_corrupt"), F.array(F.coalesce("_corrupt_reason", F.lit(_UNREADABLE)))
    texts = bronze.select(
        *(_text(column).alias(_text_of(column.name)) for column in columns),
        *lineage,
        F.col("_corrupt_record").isNotNull().alias("_is_corrupt"),
        "_corrupt_reason",
        received,
    )
    # Each step is a projection of its own, so that a text is trimmed once and a value typed once for all its rules.
    values = texts.select("*", *(_typed_inside(F.col(_text_of(c.name)), c).alias(c.name) for c in columns))
    checked = values.select("*", F.concat(*_broken(columns)).alias(REASONS), *dates)
    unmet = _sentences([(~F.expr(check.expression), check.reason) for check in contract.checks])
    reasons = F.when(is_corrupt, unreadable).otherwise(F.concat(REASONS, unmet))
    return checked.select(
        *contract.silver.column_names, reasons.alias(REASONS), RECORD, F.spark_partition_id().alias(FENCE)
    )


def reasons(contract: EntityContract) -> list[str]:
    """Every sentence that `validate` can say of a record."""
    said = [_UNREADABLE, *json_records.REASONS, *csv_records.REASONS]
    for column in contract.feed_columns:
        said += _sentences_of(column, column.name)
    return list(dict.fromkeys((*said, *(check.reason for check in contract.checks))))


def typed_key(bronze: DataFrame, contract: EntityContract) -> DataFrame:
    """Rows of BRONZE with key, version and the source of the event date typed as SILVER has them."""
    silver = contract.silver
    dated = {column.date_of for column in silver.columns if column.date_of and column.name == contract.event_date}
    wanted = {*silver.key, contract.version_column, *dated}
    scalars = (column for column in contract.feed_columns if column.name in wanted)
    return bronze.withColumns({c.name: typed(trimmed(F.col(c.name)), c) for c in scalars})


def valid(validated: DataFrame, contract: EntityContract) -> DataFrame:
    """The valid records: the columns of SILVER."""
    return validated.where((F.size(REASONS) == 0) & (F.col(FENCE) >= 0)).select(*contract.silver.column_names)


def invalid(validated: DataFrame, contract: EntityContract) -> DataFrame:
    """The invalid records: the columns of quarantine."""
    broken = validated.where((F.size(REASONS) > 0) & (F.col(FENCE) >= 0))
    lineage = contract.quarantine.column_names[2:]
    return broken.select(F.col(REASONS).alias("reasons"), F.col(RECORD).alias("record"), *lineage)


def latest_per_key(frame: DataFrame, key: tuple[str, ...], order: tuple[str, ...]) -> DataFrame:
    """The greatest row of each key by `order`, whatever order the rows come in."""
    best = frame.groupBy(*key).agg(F.max_by(F.struct("*"), F.struct(*order)).alias("best"))
    return best.select("best.*")


def _sentences(found: Iterable[Violation]) -> SparkColumn:
    """An array of the sentences whose condition is true."""
    said = [F.when(condition, F.lit(sentence)) for condition, sentence in found]
    return F.array_compact(F.array(*said)) if said else F.array().cast("array<string>")


def _text_of(name: str) -> str:
    return f"_text_{name}"


def _text(column: Column) -> SparkColumn:
    """The trimmed text of a scalar; an object or array with the trimmed text of each scalar in it."""
    raw = F.col(column.name)
    return _trimmed_inside(F.from_json(raw, _shape(column)), column) if column.is_nested else trimmed(raw)


def _shape(column: Column) -> str:
    """The type of a nested column with text for each scalar, so that a bad value is told from an absent one."""
    fields = ", ".join(f"{one.name}: {_shape(one)}" for one in column.fields)
    inner = f"STRUCT<{fields}>" if fields else "STRING"
    return f"ARRAY<{inner}>" if column.is_array else inner


def _trimmed_inside(parsed: SparkColumn, column: Column) -> SparkColumn:
    return _inside(parsed, column, lambda scalar, _: trimmed(scalar))


def _typed_inside(text: SparkColumn, column: Column) -> SparkColumn:
    return _inside(text, column, typed)


def _inside(value: SparkColumn, column: Column, of: Callable[[SparkColumn, Column], SparkColumn]) -> SparkColumn:
    """The value with `of` applied to each scalar in it."""

    def struct(item: SparkColumn) -> SparkColumn:
        return F.struct(*(_inside(item[one.name], one, of).alias(one.name) for one in column.fields))

    if column.is_array:
        return F.transform(value, struct if column.fields else lambda item: of(item, _ITEM))
    return F.when(value.isNotNull(), struct(value)) if column.fields else of(value, column)


_ITEM = Column("item", "STRING", "An item of an array of texts.")


def _broken(columns: Iterable[Column]) -> list[SparkColumn]:
    """Arrays of sentences: one of the scalars of a record, at any depth of its objects, and one of each array in it."""
    found = _Found()
    for column in columns:
        found.look_into(F.col(_text_of(column.name)), F.col(column.name), column, column.name)
    return found.sentences()


@dataclass
class _Found:
    """What can be wrong with one record or item: conditions with their sentences, and what arrays in it say."""

    violations: list[Violation] = field(default_factory=list)
    arrays: list[SparkColumn] = field(default_factory=list)

    def sentences(self) -> list[SparkColumn]:
        return [_sentences(self.violations), *self.arrays]

    def look_into(
        self, text: SparkColumn, value: SparkColumn, column: Column, label: str, is_inside: SparkColumn | None = None
    ) -> None:
        """`is_inside`: whether the object that the value belongs to is there; None where nothing is around it."""
        found = violations(text, value, column, label, F.col(_MADE_AT)) if not column.is_nested else ()
        if column.is_nested and column.required:
            found = [(text.isNull(), f"{label} is missing")]
        for condition, sentence in found:
            self.violations.append((condition if is_inside is None else is_inside & condition, sentence))
        if column.is_array:
            self.arrays.append(_of_items(text, value, column, label))
        else:
            for inner in column.fields:
                self.look_into(text[inner.name], value[inner.name], inner, f"{label}.{inner.name}", text.isNotNull())


def _of_items(texts: SparkColumn, values: SparkColumn, column: Column, label: str) -> SparkColumn:
    """The sentences of all items of an array, each once."""

    def of_item(text: SparkColumn, index: SparkColumn) -> SparkColumn:
        found = _Found()
        for inner in column.fields:
            found.look_into(text[inner.name], values[index][inner.name], inner, f"{label}[].{inner.name}")
        if not column.fields:
            found.look_into(text, values[index], _ITEM, f"{label}[]")
        return F.concat(*found.sentences())

    found = F.array_distinct(F.flatten(F.transform(texts, of_item)))
    return F.coalesce(found, F.array().cast("array<string>"))


def _sentences_of(column: Column, label: str) -> Iterator[str]:
    """What can be said of a column, here and by the decoder."""
    if not column.is_nested:
        yield json_records.is_no_value(label)
        yield from (sentence for _, sentence in violations(F.lit(None), F.lit(None), column, label, F.lit(None)))
        return
    yield json_records.is_no("array" if column.is_array else "object", label)
    inner = f"{label}[]" if column.is_array else label
    if column.is_array:
        yield json_records.is_no("object", inner) if column.fields else json_records.is_no_value(inner)
    if column.required:
        yield f"{label} is missing"
    for item in column.fields:
        yield from _sentences_of(item, f"{inner}.{item.name}")
    if column.is_array and not column.fields:
        yield from _sentences_of(_ITEM, inner)
