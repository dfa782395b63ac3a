"""Decode the bytes of a RAW file into rows of BRONZE: one decoder per format, in plain Python and Arrow.

The same code runs in the client, in Spark's workers and in the Lakeflow pipeline.
"""

from collections.abc import Iterator

import pyarrow as pa

from retailflow.contracts import Column
from retailflow_spark.bronze.csv_records import decode_csv
from retailflow_spark.bronze.encoding import BadFile, check_size
from retailflow_spark.bronze.json_files import JSON_FORMATS, split
from retailflow_spark.bronze.json_records import decode_json
from retailflow_spark.bronze.parquet_records import decode_parquet


def decode(
    payload: bytes, form: str, feed: str, columns: tuple[Column, ...], expected: int | None = None
) -> Iterator[pa.RecordBatch]:
    """Return the records of one file in order, all as text, in the columns that `rows.Rows` describes.

    Args:
        form: the contract's format.
        columns: the feed's columns, in the order of the contract.
        expected: the number of records in the manifest.

    Raises: BadFile where the file as a whole cannot be read, or lacks a required field.
    """
    check_size(len(payload))
    if form in JSON_FORMATS:
        return decode_json(split(payload, form, feed, expected), columns)
    if form == "csv":
        return decode_csv(payload, columns)
    if form == "parquet":
        return decode_parquet(payload, columns)
    raise BadFile(f"the format {form!r} has no decoder; known are csv, parquet, {', '.join(sorted(JSON_FORMATS))}")
