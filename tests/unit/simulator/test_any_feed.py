"""A feed without its own module is simulated from its contract, with values that the contract allows."""

import json
from datetime import date

import pytest
import yaml

from retailflow.contracts.model import parse
from retailflow_local.simulator import any_feed
from retailflow_local.simulator.dice import Dice

DAY = date(2026, 1, 15)
DICE = Dice(scale=0.1)
RETURNS = """
apiVersion: v3.1.0
kind: DataContract
id: urn:retailflow:returns
name: returns
version: 1.0.0
status: active
team: {name: shop}
slaProperties:
  - {property: timeOfAvailability, value: "04:00", unit: UTC}
customProperties:
  - {property: delivery, value: file}
  - {property: format, value: FORMAT}
  - {property: versionColumn, value: updated_at}
schema:
  - name: returns
    physicalName: silver.returns
    description: "Returns."
    properties:
      - {name: return_id, physicalType: STRING, primaryKey: true, primaryKeyPosition: 1, description: "Return."}
      - {name: store_id, physicalType: STRING, relationships: [{to: stores.store_id}], description: "Store."}
      - {name: lane, physicalType: STRING, required: true, logicalTypeOptions: {pattern: '^(A|B)-[0-9]{2}$'},
         description: "Lane."}
      - {name: state, physicalType: STRING, description: "State.",
         quality: [{metric: invalidValues, arguments: {validValues: [open, closed]}}]}
      - {name: amount, physicalType: 'DECIMAL(18,4)', required: true, logicalTypeOptions: {minimum: 1, maximum: 2},
         description: "Amount."}
      - {name: note, physicalType: STRING, description: "Note."}
      - {name: updated_at, physicalType: TIMESTAMP, required: true, description: "Version."}
"""


def contract(form: str = "ndjson"):
    return parse(yaml.safe_load(RETURNS.replace("FORMAT", form)), "returns.odcs.yaml")


@pytest.fixture
def records(monkeypatch):
    """`records("csv", DAY)`: the records of the feed `returns` in that format."""

    def of(form: str = "ndjson", day: date = DAY, stores=("S1", "S2")) -> list[dict]:
        monkeypatch.setattr(any_feed, "feed_contract", lambda name: contract(form))
        return any_feed.records_of(DICE, "returns", day, lambda feed, day: [{"store_id": one} for one in stores])

    return of


def test_values_have_the_types_the_limits_and_the_keys_of_the_contract(records):
    found = records()
    assert len({one["return_id"] for one in found}) == len(found) == 40
    assert {one["store_id"] for one in found} == {"S1", "S2"}
    assert all(one["lane"][0] in "AB" and one["lane"][1] == "-" and one["lane"][2:].isdigit() for one in found)
    assert {one["state"] for one in found} <= {"open", "closed", None}
    assert all("1.0000" <= one["amount"] <= "2.0000" for one in found)
    assert all(one["updated_at"] <= "2026-01-15T23:59:59.999Z" for one in found)


def test_a_world_is_the_same_each_time_and_its_records_change_now_and_then(records):
    assert json.dumps(records()) == json.dumps(records())
    before, after = ({one["return_id"]: one for one in records(day=day)} for day in (DAY, date(2026, 1, 22)))
    assert before.keys() == after.keys()
    changed = [key for key in before if before[key] != after[key]]
    assert 0 < len(changed) < len(before)


def test_parquet_has_values_of_its_types_and_json_has_texts(records):
    assert {type(one["amount"]).__name__ for one in records("parquet")} == {"Decimal"}
    assert {type(one["amount"]).__name__ for one in records("ndjson")} == {"str"}
    assert records("parquet")[0]["updated_at"].tzinfo is not None


def test_the_kinds_of_damage_follow_from_the_contract():
    kinds = {kind: field for kind, field, _ in any_feed.damages(contract())}
    assert kinds == {
        "missing": "lane",
        "price_unparsable": "amount",
        "status_unknown": "state",
        "moment_unparsable": "updated_at",
        "cut": "",
    }
    assert {kind for kind, _, _ in any_feed.damages(contract("parquet"))} == {"missing", "status_unknown"}


def test_a_newer_version_has_another_value_and_a_later_moment(records):
    record = records()[0]
    newer = any_feed.newer(contract(), record, DAY)
    assert {name for name in record if newer[name] != record[name]} == {"note", "updated_at"}
    assert newer["updated_at"] == "2026-01-15T23:59:59.000Z"


def test_a_pattern_that_cannot_be_written_is_named():
    with pytest.raises(ValueError, match=r"cannot write a text for the pattern '\^\(\?=b\)a\$'"):
        any_feed._matching(DICE.rng("x"), "^(?=b)a$")
