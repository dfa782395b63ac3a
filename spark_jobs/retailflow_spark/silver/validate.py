"""Convert the text of BRONZE to the types of a contract, with a sentence for each rule that a record breaks.

Pure: no Spark action, no write.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

from pyspark.sql import Column as SparkColumn
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from retailflow.contracts import Column, FeedContract
from retailflow_spark.bronze import csv_records, json_records
from retailflow_spark.silver.values import Violation, trimmed, typed, violations

REASONS = "_reasons"
RECORD = "_record"
# Spark pushes no filter below a projection that is not deterministic. Without this column, Spark would push the filter
# on `_reasons` down to the scan and expand every column in it; it would parse each JSON text some twenty times per row.
# A stream may use this nondeterministic expression, unlike others.
FENCE = "_fence"
_UNREADABLE = "the record cannot be read"
_MADE_AT = "_ingested_at"


def validate(bronze: DataFrame, contract: FeedContract) -> DataFrame:
    """Return the rows of BRONZE with the types of SILVER, one row per record.

    Returns: the columns of SILVER, `_reasons` (empty for a valid record), `_record` (the text of the record), `_fence`.
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
    # Each step is a separate projection, so that a text is trimmed once and a value is typed once for all its rules.
    values = texts.select("*", *(_typed_inside(F.col(_text_of(c.name)), c).alias(c.name) for c in columns))
    checked = values.select("*", F.concat(*_broken(columns)).alias(REASONS), *dates)
    unmet = _sentences([(~F.expr(check.expression), check.reason) for check in contract.checks])
    reasons = F.when(is_corrupt, unreadable).otherwise(F.concat(REASONS, unmet))
    return checked.select(
        *contract.silver.column_names, reasons.alias(REASONS), RECORD, F.spark_partition_id().alias(FENCE)
    )


def reasons(contract: FeedContract) -> list[str]:
    """Return every reason that `validate` can give for a record."""
    said = [_UNREADABLE, *json_records.REASONS, *csv_records.REASONS]
    for column in contract.feed_columns:
        said += _sentences_of(column, column.name)
    return list(dict.fromkeys((*said, *(check.reason for check in contract.checks))))


def typed_key(bronze: DataFrame, contract: FeedContract) -> DataFrame:
    """Return the rows of BRONZE, with the types of SILVER for key, version and the source of the event date."""
    silver = contract.silver
    dated = {column.date_of for column in silver.columns if column.date_of and column.name == contract.event_date}
    wanted = {*silver.key, contract.version_column, *dated}
    scalars = (column for column in contract.feed_columns if column.name in wanted)
    return bronze.withColumns({c.name: typed(trimmed(F.col(c.name)), c) for c in scalars})


def valid(validated: DataFrame, contract: FeedContract) -> DataFrame:
    """Return the valid records, with the columns of SILVER."""
    return validated.where((F.size(REASONS) == 0) & (F.col(FENCE) >= 0)).select(*contract.silver.column_names)


def invalid(validated: DataFrame, contract: FeedContract) -> DataFrame:
    """Return the invalid records, with the columns of quarantine."""
    broken = validated.where((F.size(REASONS) > 0) & (F.col(FENCE) >= 0))
    lineage = contract.quarantine.column_names[2:]
    return broken.select(F.col(REASONS).alias("reasons"), F.col(RECORD).alias("record"), *lineage)


def latest_per_key(frame: DataFrame, key: tuple[str, ...], order: tuple[str, ...]) -> DataFrame:
    """Return the greatest row of each key by `order`, whatever the order of the input."""
    best = frame.groupBy(*key).agg(F.max_by(F.struct("*"), F.struct(*order)).alias("best"))
    return best.select("best.*")


def _sentences(found: Iterable[Violation]) -> SparkColumn:
    """Return an array of the sentences whose condition is true."""
    said = [F.when(condition, F.lit(sentence)) for condition, sentence in found]
    return F.array_compact(F.array(*said)) if said else F.array().cast("array<string>")


def _text_of(name: str) -> str:
    return f"_text_{name}"


def _text(column: Column) -> SparkColumn:
    """Return the trimmed text of a scalar; of an object or array, its structure with the trimmed text of scalars."""
    raw = F.col(column.name)
    return _trimmed_inside(F.from_json(raw, _shape(column)), column) if column.is_nested else trimmed(raw)


def _shape(column: Column) -> str:
    """Return the type of a nested column with text for each scalar, so that a bad value differs from an absent one."""
    fields = ", ".join(f"{one.name}: {_shape(one)}" for one in column.fields)
    inner = f"STRUCT<{fields}>" if fields else "STRING"
    return f"ARRAY<{inner}>" if column.is_array else inner


def _trimmed_inside(parsed: SparkColumn, column: Column) -> SparkColumn:
    return _inside(parsed, column, lambda scalar, _: trimmed(scalar))


def _typed_inside(text: SparkColumn, column: Column) -> SparkColumn:
    return _inside(text, column, typed)


def _inside(value: SparkColumn, column: Column, of: Callable[[SparkColumn, Column], SparkColumn]) -> SparkColumn:
    """Return the value with `of` applied to each scalar in it."""

    def struct(item: SparkColumn) -> SparkColumn:
        return F.struct(*(_inside(item[one.name], one, of).alias(one.name) for one in column.fields))

    if column.is_array:
        return F.transform(value, struct if column.fields else lambda item: of(item, _ITEM))
    return F.when(value.isNotNull(), struct(value)) if column.fields else of(value, column)


_ITEM = Column("item", "STRING", "An item of an array of texts.")


def _broken(columns: Iterable[Column]) -> list[SparkColumn]:
    """Return arrays of sentences: one for all scalars of a record and of its objects, and one for each array in it."""
    found = _Found()
    for column in columns:
        found.look_into(F.col(_text_of(column.name)), F.col(column.name), column, column.name)
    return found.sentences()


@dataclass
class _Found:
    """The possible violations of one record or item: conditions with sentences, and sentences of the arrays in it."""

    violations: list[Violation] = field(default_factory=list)
    arrays: list[SparkColumn] = field(default_factory=list)

    def sentences(self) -> list[SparkColumn]:
        """Return arrays of sentences."""
        return [_sentences(self.violations), *self.arrays]

    def look_into(
        self, text: SparkColumn, value: SparkColumn, column: Column, label: str, is_inside: SparkColumn | None = None
    ) -> None:
        """Add the violations of a value. `is_inside`: whether the object around it exists; None at the top level."""
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
    """Return the sentences of all items of an array, each once."""

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
    """Yield the possible sentences about a column, from here and from the decoder."""
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
