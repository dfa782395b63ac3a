"""The files for BI tools are complete and consistent. The tools cannot run here, so only the structure is checked."""

import json
import re
from itertools import combinations
from xml.etree import ElementTree as xml

import pytest
import yaml

from retailflow_delivery.bi import FOLDER, databricks, outputs, power_bi, tableau
from retailflow_delivery.bi.model import FACTS, RELATIONS, metrics, sql, tables
from retailflow_local.workspace import REPOSITORY

COLUMNS = {table.name: {column.name for column in table.columns} for table in tables()}
TMDL = {path: text for path, text in power_bi.files().items() if path.endswith(".tmdl")}
RESTRICTED = {"first_name", "last_name", "email", "phone", "birth_date"}


def test_the_generated_files_are_current_and_none_is_left_over():
    wanted = outputs(REPOSITORY)
    there = {path for path in (REPOSITORY / FOLDER).rglob("*") if path.is_file()}
    assert {path.suffix for path in there - set(wanted)} == {".sql"}  # saved queries that are written by hand
    assert [str(path) for path, text in wanted.items() if path.read_text() != text] == []


def test_the_star_has_no_restricted_column_and_all_its_keys():
    assert not RESTRICTED & set().union(*COLUMNS.values())
    for key, table, found in RELATIONS:
        assert key in COLUMNS[FACTS] and found in COLUMNS[table]
    for metric in metrics():
        assert metric.ratio or metric.column in COLUMNS[FACTS]


@pytest.mark.parametrize("text", [*databricks.files().values(), *TMDL.values(), *tableau.files().values()])
def test_no_name_of_a_person_and_no_secret_is_asked_for(text):
    assert not RESTRICTED & set(re.findall(r"\w+", text))
    assert not re.search(r"password|token|secret", text, re.IGNORECASE)


def test_each_metric_has_its_counterpart_everywhere():
    view = yaml.safe_load(databricks.files()["databricks/sales_metrics.sql"].split("$$")[1])
    assert {measure["name"]: measure["expr"] for measure in view["measures"]} == {m.name: sql(m) for m in metrics()}
    sales = next(text for path, text in TMDL.items() if path.endswith("/sales.tmdl"))
    source = xml.fromstring(tableau.files()["tableau/RetailFlow.tds"])
    for metric in metrics():
        assert re.search(rf"\n\t/// .+\n\tmeasure '?{metric.label}'? = .+\n\t\tformatString: ", sales)
        field = source.find(f"column[@name='[{metric.name}]']")
        assert field.find("desc/formatted-text/run").text == metric.description


def test_measures_and_fields_name_existing_columns():
    for text in TMDL.values():
        assert {name for name in re.findall(r"sales\[(\w+)\]", text)} <= COLUMNS[FACTS]
    source = xml.fromstring(tableau.files()["tableau/RetailFlow.tds"])
    fields = {column.get("name") for column in source.findall("column")}
    for formula in (c.get("formula") for c in source.iter("calculation")):
        assert {f"[{name}]" for name in re.findall(r"\[(\w+)\]", formula)} <= fields
    mapped = {item.get("key") for item in source.iter("map")}
    assert mapped == fields - {f"[{metric.name}]" for metric in metrics()}


def test_the_semantic_model_is_whole_and_all_of_it_is_described():
    model = next(text for path, text in TMDL.items() if path.endswith("/model.tmdl"))
    assert re.findall(r"ref table (\w+)", model) == [table.name for table in tables()]
    for table in tables():
        text = next(text for path, text in TMDL.items() if path.endswith(f"/{table.name}.tmdl"))
        columns = re.findall(
            r"\t/// \S.*\n\tcolumn (\w+)\n\t\tdataType: (?:string|dateTime|int64|decimal|boolean)\n", text
        )
        assert set(columns) <= COLUMNS[table.name] and len(columns) > 5
        assert text.count("\tcolumn ") == len(columns)
        assert "mode: directQuery" in text and f'Name = "{table.schema}"' in text
        assert not re.search(r"^ ", text, re.MULTILINE), "TMDL is indented by tabs"
    relations = next(text for path, text in TMDL.items() if path.endswith("/relationships.tmdl"))
    assert relations.count("relationship ") == len(RELATIONS)
    parameters = next(text for path, text in TMDL.items() if path.endswith("/expressions.tmdl"))
    assert set(re.findall(r"^expression (\w+)", parameters, re.MULTILINE)) == {"ServerHostname", "HttpPath", "Catalog"}
    for path, text in power_bi.files().items():
        if path.endswith((".json", ".pbip", ".pbir", ".pbism", ".platform")):
            json.loads(text)


def test_the_dashboard_draws_only_what_it_asks_for_and_nothing_on_top_of_another():
    board = json.loads(databricks.files()["databricks/sales.lvdash.json"])
    datasets = {dataset["name"] for dataset in board["datasets"]}
    layout = board["pages"][0]["layout"]
    names = [item["widget"]["name"] for item in layout]
    assert len(set(names)) == len(names) >= 9
    for item in layout:
        query = item["widget"]["queries"][0]["query"]
        assert query["datasetName"] in datasets
        drawn = set(re.findall(r'"fieldName": "(\w+)"', json.dumps(item["widget"]["spec"])))
        assert drawn == {field["name"] for field in query["fields"]}
        place = item["position"]
        assert place["x"] >= 0 and place["x"] + place["width"] <= 6
    for one, other in combinations([item["position"] for item in layout], 2):
        beside = one["x"] + one["width"] <= other["x"] or other["x"] + other["width"] <= one["x"]
        below = one["y"] + one["height"] <= other["y"] or other["y"] + other["height"] <= one["y"]
        assert beside or below, (one, other)
