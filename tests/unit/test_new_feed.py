"""What `./retailflow new-feed` learns from a sample, and what it refuses."""

import gzip
import json
from datetime import UTC, date, datetime
from decimal import Decimal

import jsonschema
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml
from open_data_contract_standard.model import OpenDataContractStandard
from typer.testing import CliRunner

from retailflow.contracts.model import parse
from retailflow_delivery import new_feed
from retailflow_local import cli
from retailflow_local.errors import WorkspaceError

CSV = """supplier_id,name,zip,rating,is_active,value,since,updated_at
S-1,"Acme, GmbH",01067,4,true,12500.50,2019-03-01,2026-01-10T08:00:00Z
S-2,Borges,24103,,false,900,2020-05-17,2026-01-11T10:30:00.25+01:00
"""
RETURNS = (
    '{"return_id": "017", "amount": 12.50, "number": "18", "lines": [{"product_id": "P1", "quantity": 2}],'
    ' "address": {"city": "Kiel"}, "tags": ["a"], "at": "2026-01-15T10:00:00Z"}\n'
    '{"return_id": "018", "amount": 3, "number": "019", "lines": [], "address": null, "tags": [],'
    ' "at": "2026-01-15T11:00:00Z"}\n'
)


@pytest.fixture
def sample(tmp_path):
    """`sample("a.csv", CSV)`: writes a file, text or bytes."""

    def write(name: str, content: str | bytes):
        path = tmp_path / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    return write


@pytest.fixture
def repository(tmp_path, monkeypatch):
    """An empty repository, in which the commands that generate files do nothing."""
    root = tmp_path / "repository"
    (root / new_feed.CONTRACTS).mkdir(parents=True)
    monkeypatch.setattr(new_feed, "REPOSITORY", root)
    monkeypatch.setattr(new_feed.subprocess, "run", lambda *_, **__: None)
    return root


def types(found) -> dict[str, str]:
    return {one.name: one.type for one in found.fields}


def test_csv_has_the_types_that_all_its_values_have(sample):
    assert types(new_feed.read(sample("a.csv", CSV), "suppliers")) == {
        "supplier_id": "STRING", "name": "STRING", "zip": "STRING", "rating": "INT", "is_active": "BOOLEAN",
        "value": "DECIMAL(18,4)", "since": "DATE", "updated_at": "TIMESTAMP",
    }  # fmt: skip


@pytest.mark.parametrize(("name", "packed"), [("a.ndjson", False), ("a.jsonl", False), ("a.ndjson.gz", True)])
def test_json_lines_have_nested_fields_and_digits_in_quotes_stay_text(sample, name, packed):
    found = new_feed.read(sample(name, gzip.compress(RETURNS.encode()) if packed else RETURNS), "returns")
    assert types(found) == {
        "return_id": "STRING", "amount": "DECIMAL(18,4)", "number": "STRING", "lines": "", "address": "",
        "tags": "ARRAY<STRING>", "at": "TIMESTAMP",
    }  # fmt: skip
    nested = {one.name: (one.is_array, types(one)) for one in found.fields if one.fields}
    assert nested == {
        "lines": (True, {"product_id": "STRING", "quantity": "INT"}),
        "address": (False, {"city": "STRING"}),
    }


def test_a_json_document_has_its_records_under_the_name_of_the_feed(sample):
    found = new_feed.read(sample("a.json", json.dumps({"lanes": [{"lane_id": 7}]})), "lanes")
    assert (found.format, types(found)) == ("json_document", {"lane_id": "INT"})


def test_parquet_has_its_own_types(sample):
    table = pa.table(
        {
            "lane_id": ["L1"],
            "capacity": pa.array([1], pa.int32()),
            "tariff": [Decimal("1.5")],
            "valid_on": [date(2026, 1, 1)],
            "updated_at": pa.array([datetime(2026, 1, 15, tzinfo=UTC)], pa.timestamp("us", tz="UTC")),
        }
    )
    pq.write_table(table, path := sample("a.parquet", b""))
    assert types(new_feed.read(path, "lanes")) == {
        "lane_id": "STRING", "capacity": "BIGINT", "tariff": "DECIMAL(18,4)", "valid_on": "DATE",
        "updated_at": "TIMESTAMP",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("name", "content", "key", "version", "event"),
    [("a.csv", CSV, ["supplier_id"], "updated_at", None), ("a.ndjson", RETURNS, ["return_id"], "at", "at")],
)
def test_the_contract_is_valid_by_the_standard_and_has_the_columns_key_and_partition(
    sample, name, content, key, version, event
):
    found = new_feed.read(sample(name, content), "returns")
    document = yaml.safe_load(new_feed.document("returns", found, key, version, event, "logistics"))
    schema = json.loads(new_feed_schema())
    assert list(jsonschema.Draft201909Validator(schema).iter_errors(document)) == []
    assert OpenDataContractStandard.model_validate(document).name == "returns"
    contract = parse(document, "returns.odcs.yaml")
    assert [column.name for column in contract.feed_columns] == [one.name for one in found.fields]
    assert (contract.silver.key, contract.version_column, contract.owner) == (tuple(key), version, "logistics")
    assert contract.event_date == (event and "at_date")


def new_feed_schema() -> str:
    from importlib.resources import files

    return files("open_data_contract_standard").joinpath("schema.json").read_text()


def test_the_test_has_records_of_different_keys_and_what_silver_makes_of_them(sample, repository):
    again = CSV + "S-1,Acme again,01067,5,true,1,2019-03-01,2026-01-12T08:00:00Z\n"
    new_feed.new_feed("suppliers", sample("suppliers.csv", again), ["supplier_id"], "updated_at")
    pair = repository / new_feed.PAIRS / "suppliers"
    assert (pair / "arrives.csv").read_text() == CSV
    assert (pair / "silver.csv").read_text() == (
        "supplier_id,name,zip,rating,is_active,value,since,updated_at\n"
        'S-1,"Acme, GmbH",01067,4,true,12500.5000,2019-03-01,2026-01-10 08:00:00\n'
        "S-2,Borges,24103,,false,900.0000,2020-05-17,2026-01-11 09:30:00.250000\n"
    )


@pytest.mark.parametrize(
    ("arguments", "content", "said"),
    [
        ({"name": "Suppliers"}, CSV, "'Suppliers' is no name of a feed"),
        ({"name": "../x"}, CSV, "'../x' is no name of a feed"),
        ({"name": "orders"}, CSV, "There is a contract orders already"),
        ({"key": ["id"]}, CSV, "The sample has no column 'id'; it has supplier_id, name"),
        ({"version": "name"}, CSV, "name is STRING: a version is a moment, a date or a whole number"),
        ({"event": "since"}, CSV, "since is DATE: an event has a moment with its offset from UTC"),
        ({"key": ["rating"]}, CSV, "rating is empty in 1 records of the sample"),
        ({}, CSV.replace("zip", "zip code"), "'zip code' is no name of a column"),
        ({}, CSV.replace("since", "ingestion_date"), "SILVER would have the column ingestion_date twice"),
        ({}, CSV.replace("since", "Name"), "SILVER would have the column name twice"),
        ({}, CSV.splitlines()[0], "suppliers.csv has no records"),
        ({}, b"\xff\xfe", "suppliers.csv cannot be read as csv"),
    ],
)
def test_an_impossible_feed_is_refused_and_nothing_is_written(sample, repository, arguments, content, said):
    usual = {"name": "suppliers", "sample": sample("suppliers.csv", content), "key": ["supplier_id"]}
    with pytest.raises(WorkspaceError) as error:
        new_feed.new_feed(**{**usual, "version": "updated_at", **arguments})
    assert said in str(error.value)
    assert [path for path in repository.rglob("*") if path.is_file()] == []


def test_a_file_of_another_kind_is_refused_with_those_there_are(sample):
    with pytest.raises(WorkspaceError, match=r"a\.xlsx has no known ending; known are \.csv, \.json, \.ndjson"):
        new_feed.read(sample("a.xlsx", b"PK"), "suppliers")


def test_a_document_without_the_feed_s_array_says_so(sample):
    with pytest.raises(WorkspaceError, match="it is no object with an array 'lanes' of records"):
        new_feed.read(sample("a.json", '[{"lane_id": 7}]'), "lanes")


def test_the_command_line_shows_its_commands_in_groups():
    shown = CliRunner().invoke(cli.app, ["--help"]).output
    places = [shown.index(f"─ {group} ─") for group in ("Run", "Look", "Change", "Deliver")]
    assert places == sorted(places)
    assert places[2] < shown.index("│ new-feed") < places[3]
