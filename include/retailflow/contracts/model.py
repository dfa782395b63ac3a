"""The content of a contract as plain values: columns, keys, checks, and the tables of each layer derived from them."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import time
from functools import cached_property
from typing import Any

CLASSIFICATIONS = ("restricted", "confidential", "internal", "public")  # the strictest first


@dataclass(frozen=True)
class Column:
    """A column of a table, or a field inside a column.

    Attributes:
        type: a type of Spark SQL.
        minimum, maximum: numbers. For a date or moment, `minimum` is the earliest plausible value.
        latest: for a date or moment, a Spark SQL interval from the creation of the batch to the latest plausible value.
        reserved: ids that a key must not have.
        references: the column that an id refers to, for example `stores.store_id`.
        placeholders: texts that a source writes where it does not know the id.
        most_records: an id with more records than this does not belong to a person.
        fields: the fields of a nested column.
    """

    name: str
    type: str
    description: str
    required: bool = False
    classification: str | None = None
    date_of: str | None = None
    is_time_zone: bool = False
    valid_values: tuple[str, ...] = ()
    pattern: str | None = None
    minimum: str | None = None
    maximum: str | None = None
    latest: str | None = None
    max_length: int | None = None
    reserved: tuple[str, ...] = ()
    references: str | None = None
    placeholders: tuple[str, ...] = ()
    most_records: int | None = None
    fields: tuple["Column", ...] = ()

    @property
    def is_array(self) -> bool:
        return self.type.startswith("ARRAY<")

    @property
    def is_nested(self) -> bool:
        """Whether the value is an object or an array."""
        return self.is_array or bool(self.fields)

    @property
    def strictest(self) -> str | None:
        """The strictest classification of the column and of its nested fields."""
        found = {self.classification, *(field.strictest for field in self.fields)}
        return next((kind for kind in CLASSIFICATIONS if kind in found), None)


@dataclass(frozen=True)
class Check:
    """A condition that every row must meet: a boolean Spark SQL expression, and the reason to report otherwise."""

    name: str
    expression: str
    reason: str


# How long files of older versions are kept, unless the slaProperties of a contract have a `versionRetention`.
# The property `retention` is different: it says how long records are kept.
VERSION_RETENTION_DAYS = 30
_LEAST_RETENTION_DAYS = 7  # a running job may read replaced files, or write files that it has not committed yet


@dataclass(frozen=True)
class Table:
    """The definition of a table. `name` is `schema.table`; the environment adds the catalog."""

    name: str
    description: str
    columns: tuple[Column, ...]
    key: tuple[str, ...]
    partition: tuple[str, ...] = ()
    checks: tuple[Check, ...] = ()
    warnings: tuple[Check, ...] = ()  # a row that breaks a warning is published and reported
    retention_days: int = VERSION_RETENTION_DAYS

    @property
    def column_names(self) -> list[str]:
        return [column.name for column in self.columns]

    @property
    def value_names(self) -> list[str]:
        """The columns that describe the subject of the row, without those that describe the origin of its record."""
        lineage = {column.name for column in _LINEAGE}
        return [column.name for column in self.columns if column.name not in lineage]

    @property
    def identity(self) -> tuple[str, ...]:
        """The key and the partition: a merge looks for a row only in the partition of its date (docs/adr/0005)."""
        return tuple(dict.fromkeys((*self.key, *self.partition)))


_LINEAGE = (
    Column("ingestion_date", "DATE", "Folder of RAW the record was delivered in.", required=True),
    Column("_batch_id", "STRING", "Batch (ULID) that delivered the record.", required=True),
    Column("_source_file", "STRING", "File of the record, below the RAW root.", required=True),
    Column("_position", "BIGINT", "Position of the record in its file, from 0.", required=True),
    Column("_ingested_at", "TIMESTAMP", "When the batch was delivered, from its manifest.", required=True),
    Column("_record_md5", "STRING", "MD5 of the record's fields as received: equal for a record that is sent again."),
)
# The total order of the records of a key is the version column, then these columns.
ORDER = ("ingestion_date", "_batch_id", "_source_file", "_position")
PLACE = ("_source_file", "_position")  # the place of a record: its file in RAW, and its position in that file


@dataclass(frozen=True)
class FeedContract:
    """A source feed and its BRONZE, SILVER and quarantine tables."""

    name: str
    version: str
    description: str
    owner: str
    delivery: str
    format: str
    version_column: str
    keeps_versions: bool
    checks: tuple[Check, ...]
    silver: Table
    erasure: str | None  # what an erasure does with a record: `remove` or `anonymise`; None without people
    available_by: time  # in UTC, of the day after the ingestion date
    document: Mapping[str, Any] = field(repr=False, compare=False, hash=False)

    @cached_property
    def feed_columns(self) -> tuple[Column, ...]:
        """The columns that the source sends: those of SILVER without lineage columns and derived dates."""
        lineage = {column.name for column in _LINEAGE}
        return tuple(c for c in self.silver.columns if c.name not in lineage and not c.date_of)

    @cached_property
    def bronze(self) -> Table:
        """The BRONZE table: the feed as received. Every field is a string; a nested field is its JSON text."""
        received = (Column(c.name, "STRING", c.description, classification=c.strictest) for c in self.feed_columns)
        rest = (
            Column("_rescued_data", "STRING", "Fields the contract does not name, as a JSON object by path.",
                   classification="confidential"),
            Column("_corrupt_record", "STRING", "The raw text of a record that could not be read.",
                   classification="restricted"),
            Column("_corrupt_reason", "STRING", "Why the record could not be read."),
            Column("_missing_fields", "STRING", "Fields that the whole file lacks, by path, comma-separated."),
        )  # fmt: skip
        description = f"{self.description} As received."
        columns = (*received, *rest, *_LINEAGE)
        return self._beside(f"bronze.{self.name}", description, columns)

    @cached_property
    def quarantine(self) -> Table:
        """The table of invalid records: reasons, the record as received, lineage."""
        columns = (
            Column("reasons", "ARRAY<STRING>", "Why the record is not in SILVER, as sentences.", required=True),
            Column("record", "STRING", "The record as received.", required=True, classification="restricted"),
            *_LINEAGE,
        )
        description = f"Records of {self.name} that break its contract, with their reasons."
        return self._beside(f"quarantine.{self.name}", description, columns)

    def _beside(self, name: str, description: str, columns: tuple[Column, ...]) -> Table:
        """Return a table with one row per record. Its key is the record's place in RAW."""
        key, days = ("_source_file", "_position"), self.silver.retention_days
        return Table(name, description, columns, key, ("ingestion_date",), retention_days=days)

    @cached_property
    def versions(self) -> Table:
        """The source of SCD2: one row per key and version. It exists only where the contract keeps versions."""
        key = tuple(dict.fromkeys((*self.silver.key, self.version_column)))
        return replace(self.silver, name=f"silver.{self.name}_history", key=key,
                       description=f"{self.silver.description} Every version.")  # fmt: skip

    @property
    def silver_tables(self) -> tuple[Table, ...]:
        """The tables of valid records."""
        return (self.versions, self.silver) if self.keeps_versions else (self.silver,)

    @property
    def tables(self) -> tuple[Table, ...]:
        """All tables of the feed."""
        return (self.bronze, self.quarantine, *self.silver_tables)

    @property
    def event_date(self) -> str | None:
        """The partition column of SILVER: a date that never changes for a key, so a merge can prune by it."""
        return self.silver.partition[0] if self.silver.partition else None


@dataclass(frozen=True)
class GoldContract:
    """A GOLD table. When a source changes, a run recomputes all rows that have the same `affected_keys`."""

    name: str
    version: str
    description: str
    owner: str
    sources: tuple[str, ...]
    affected_keys: tuple[str, ...]  # columns of the table
    table: Table
    available_by: time  # in UTC, of the day after the ingestion date
    document: Mapping[str, Any] = field(repr=False, compare=False, hash=False)

    @property
    def affected_date(self) -> str | None:
        """The date column among the affected keys, if any. A row is built from the same date of partitioned sources."""
        return next((c.name for c in self.table.columns if c.type == "DATE" and c.name in self.affected_keys), None)

    @property
    def tables(self) -> tuple[Table, ...]:
        """The GOLD table alone."""
        return (self.table,)


def parse(document: Mapping[str, Any], file: str) -> FeedContract | GoldContract:
    """Return the contract of an ODCS document. Raises: ValueError, which names the file and the missing property."""
    try:
        settings = _custom(document)
        layout = replace(_table(document["schema"][0]), retention_days=_retention_days(document, file))
        about = {
            "name": document["name"],
            "version": document["version"],
            "description": layout.description,
            "owner": document["team"]["name"],
            "available_by": _available_by(document, file),
            "document": document,
        }
        if layout.name.startswith("gold."):
            return GoldContract(
                **about, sources=tuple(settings["sources"]), affected_keys=tuple(settings["affectedKeys"]), table=layout
            )
        _check_names(layout, file)
        return FeedContract(
            **about,
            delivery=settings["delivery"],
            format=settings["format"],
            version_column=settings["versionColumn"],
            keeps_versions=settings.get("keepsVersions", False),
            checks=layout.checks,
            erasure=settings.get("erasure"),
            silver=replace(layout, columns=(*layout.columns, *_LINEAGE), checks=()),
        )
    except KeyError as missing:
        raise ValueError(f"contract {file}: {missing} is missing") from None


def _check_names(layout: Table, file: str) -> None:
    """Check that a feed has each column once. Spark ignores case, and SILVER adds columns of its own.

    Raises: ValueError, which names the column.
    """
    names = Counter(column.name.lower() for column in (*layout.columns, *_LINEAGE))
    if repeated := [column.name for column in layout.columns if names[column.name.lower()] > 1]:
        raise ValueError(
            f"contract {file}: SILVER would have the column {repeated[0]} twice: the feed repeats it (case does not "
            "matter), or the pipeline adds it. Have the source rename it"
        )


def _available_by(document: Mapping[str, Any], file: str) -> time:
    """Return the promised time in UTC. Raises: ValueError where the contract promises none."""
    for item in document["slaProperties"]:
        if item["property"] == "timeOfAvailability" and item.get("unit") == "UTC":
            return time.fromisoformat(item["value"])
    raise ValueError(f"contract {file}: slaProperties has no timeOfAvailability in UTC")


def _retention_days(document: Mapping[str, Any], file: str) -> int:
    """Return the days that files of older versions are kept. Raises: ValueError where they are too few."""
    for item in document["slaProperties"]:
        if item["property"] == "versionRetention":
            if item.get("unit") != "d" or item["value"] < _LEAST_RETENTION_DAYS:
                raise ValueError(f"contract {file}: versionRetention is at least {_LEAST_RETENTION_DAYS} d")
            return int(item["value"])
    return VERSION_RETENTION_DAYS


def _table(schema: Mapping[str, Any]) -> Table:
    properties = schema["properties"]
    keys = sorted((p for p in properties if p.get("primaryKey")), key=lambda p: p["primaryKeyPosition"])
    partitions = (p for p in properties if p.get("partitioned"))
    return Table(
        name=schema["physicalName"],
        description=" ".join(schema["description"].split()),
        columns=tuple(_column(p) for p in properties),
        key=tuple(p["name"] for p in keys),
        partition=tuple(p["name"] for p in partitions),
        checks=_checks(schema, "error"),
        warnings=_checks(schema, "warning"),
    )


def _checks(schema: Mapping[str, Any], severity: str) -> tuple[Check, ...]:
    rules = (rule for rule in schema.get("quality", ()) if rule.get("engine") == "spark_sql")
    found = (rule for rule in rules if rule.get("severity", "error") == severity)
    return tuple(Check(rule["name"], rule["implementation"], rule["description"]) for rule in found)


def _column(prop: Mapping[str, Any]) -> Column:
    options = prop.get("logicalTypeOptions", {})
    fields = tuple(_column(p) for p in prop.get("properties", prop.get("items", {}).get("properties", ())))
    spark_type = prop.get("physicalType")
    if spark_type is None:  # the type of a nested column follows from its fields
        spark_type = f"STRUCT<{', '.join(f'{f.name}: {f.type}' for f in fields)}>"
        if prop["logicalType"] == "array":
            spark_type = f"ARRAY<{spark_type}>"
    return Column(
        name=prop["name"],
        type=spark_type,
        description=" ".join(prop["description"].split()),
        required=bool(prop.get("required") or prop.get("primaryKey")),
        classification=_classification(prop),
        date_of=_custom(prop).get("dateOf"),
        is_time_zone=_custom(prop).get("isTimeZone", False),
        valid_values=_valid_values(prop),
        pattern=options.get("pattern"),
        minimum=_number(options.get("minimum")),
        maximum=_number(options.get("maximum")),
        latest=_custom(prop).get("latest"),
        max_length=options.get("maxLength"),
        reserved=tuple(_custom(prop).get("reserved", ())),
        placeholders=tuple(map(str, _custom(prop).get("placeholders", ()))),
        most_records=_custom(prop).get("mostRecordsOfAPerson"),
        references=next((one["to"] for one in prop.get("relationships", ())), None),
        fields=fields,
    )


def _classification(prop: Mapping[str, Any]) -> str | None:
    found = prop.get("classification")
    if found not in (None, *CLASSIFICATIONS):
        allowed = ", ".join(CLASSIFICATIONS)
        raise ValueError(f"{prop['name']}: classification {found!r} is not known; allowed are {allowed}")
    return found


def _valid_values(prop: Mapping[str, Any]) -> tuple[str, ...]:
    for rule in prop.get("quality", ()):
        if rule.get("metric") == "invalidValues":
            return tuple(rule["arguments"]["validValues"])
    return ()


def _number(value: Any) -> str | None:
    return None if value is None else str(value)


def _custom(holder: Mapping[str, Any]) -> dict[str, Any]:
    return {item["property"]: item["value"] for item in holder.get("customProperties", ())}
