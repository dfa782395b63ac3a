"""What a contract change means: whom it breaks, which tables it affects and which dates need a backfill."""

import copy
import subprocess

import pytest
from typer.testing import CliRunner

from retailflow.contracts import feed_contract, feeds, gold_tables
from retailflow.contracts.model import parse
from retailflow_delivery import contracts
from retailflow_delivery.contract_changes import differences
from retailflow_local import cli
from retailflow_local.errors import WorkspaceError
from retailflow_local.workspace import REPOSITORY

NOW = {contract.name: contract for contract in (*feeds(), *gold_tables())}


def column(document, name):
    return next(item for item in document["schema"][0]["properties"] if item["name"] == name)


def changed(name, change):
    """Return the contracts after `change` to the document of one of them."""
    document = copy.deepcopy(NOW[name].document)
    change(document)
    return NOW | {name: parse(document, name)}


def difference(name, change):
    (found,) = differences(NOW, changed(name, change))
    return found


def add(document, **settings):
    document["schema"][0]["properties"].append(
        {"name": "gift_note", "logicalType": "string", "physicalType": "STRING", "description": "A note."} | settings
    )


def drop(name):
    def change(document):
        document["schema"][0]["properties"].remove(column(document, name))

    return change


def put(name, **settings):
    return lambda document: column(document, name).update(settings)


def rule(document):
    document["schema"][0].setdefault("quality", []).append(
        {"name": "new_rule", "engine": "spark_sql", "implementation": "true", "description": "never"}
    )


def sla(document):
    document["slaProperties"][0]["value"] = "23:00"


BREAKING = {
    "a column is gone": ("orders", drop("coupon_codes"), "coupon_codes is gone", "bronze"),
    "a column has another type": ("payments", put("amount", physicalType="STRING"), "amount: type is STRING", "silver"),
    "a field inside has another type": (
        "orders",
        lambda d: column(d, "shipping")["properties"][0].update(physicalType="BIGINT"),
        "shipping.amount: type is BIGINT, was DECIMAL(18,4)",
        "silver",
    ),
    "a new field is required": ("orders", lambda d: add(d, required=True), "gift_note is new and required", "bronze"),
    "a field is required now": ("orders", put("customer_id", required=True), "customer_id is required now", "silver"),
    "readers meet nulls": ("orders", put("currency", required=False), "currency may be null now", "silver"),
    "a value is gone": (
        "payments",
        put(
            "event_type",
            quality=[{"metric": "invalidValues", "arguments": {"validValues": ["authorized", "captured"]}}],
        ),
        "event_type: values without chargeback, refunded, voided",
        "silver",
    ),
    "a limit is lower": ("payments", put("amount", logicalTypeOptions={"maximum": 9}), "at most 9", "silver"),
    "an earliest date is later": (
        "stores",
        put("opened_on", logicalTypeOptions={"minimum": "1950-01-01"}),
        "opened_on: at least 1950-01-01",
        "silver",
    ),
    "a text is shorter": (
        "orders",
        put("order_id", logicalTypeOptions={"maxLength": 9}),
        "order_id: at most 9 characters",
        "silver",
    ),
    "records may be refused": ("stores", rule, "rule new_rule is new", "silver"),
    "a GOLD column is gone": ("fact_sales", drop("register_id"), "register_id is gone", "gold"),
    "it comes later": ("orders", sla, "timeOfAvailability is 23:00, was 04:00", None),
    "a reader is sent away": ("fact_sales", lambda d: d["roles"].pop(), "analytics may not read it any more", None),
}
ADDITIVE = {
    "an optional field": ("orders", add, "gift_note is new", "bronze"),
    "a GOLD column": ("fact_sales", lambda d: add(d, required=True), "gift_note is new", "gold"),
    "an audit of GOLD": ("dim_store", rule, "rule new_rule is new", "gold"),
    "a rule is gone": ("orders", lambda d: d["schema"][0]["quality"].pop(), "rule tax_sign is gone", "silver"),
    "another source": (
        "dim_store",
        lambda d: d["customProperties"][0].update(value=["silver.stores", "silver.orders"]),
        "sources are silver.stores, silver.orders, were silver.stores",
        "gold",
    ),
}


@pytest.mark.parametrize(("name", "change", "sentence", "layer"), BREAKING.values(), ids=BREAKING)
def test_it_is_breaking_where(name, change, sentence, layer):
    found = difference(name, change)
    assert (found.kind, found.layer) == ("breaking", layer)
    assert any(sentence in one.sentence for one in found.changes), found.changes
    assert not found.is_allowed


@pytest.mark.parametrize(("name", "change", "sentence", "layer"), ADDITIVE.values(), ids=ADDITIVE)
def test_it_is_additive_where_there_is(name, change, sentence, layer):
    found = difference(name, change)
    assert (found.kind, found.layer, found.is_allowed) == ("additive", layer, True)
    assert [one.sentence for one in found.changes] == [sentence]


def test_words_are_cosmetic_and_hit_no_table():
    found = difference("orders", put("status", description="How far it is."))
    assert (found.kind, found.layer, found.tables, found.is_allowed) == ("cosmetic", None, [], True)


def test_the_tables_that_it_hits_follow_from_the_sources():
    found = difference("payments", put("amount", physicalType="STRING"))
    assert found.tables == ["quarantine.payments", "silver.payments", "gold.payment_reconciliation"]
    assert "gold.daily_revenue_mart" in difference("orders", add).tables
    assert difference("daily_revenue_mart", add).tables == ["gold.daily_revenue_mart"]


def test_a_new_major_version_allows_a_breaking_change_and_a_new_minor_one_does_not():
    def versioned(version):
        def change(document):
            document["version"] = version
            drop("coupon_codes")(document)

        return difference("orders", change)

    major = int(feed_contract("orders").version.split(".")[0])
    assert versioned(f"{major + 1}.0.0").is_allowed
    assert not versioned(f"{major}.9.0").is_allowed


def test_a_contract_goes_only_after_it_was_deprecated_and_comes_at_any_time():
    less = {name: contract for name, contract in NOW.items() if name != "payments"}
    (gone,), (new,) = differences(NOW, less), differences(less, NOW)
    assert (gone.kind, gone.is_allowed) == ("breaking", False)
    assert (new.kind, new.is_allowed) == ("additive", True)
    announced = changed("payments", lambda document: document.update(status="deprecated"))
    assert differences(announced, less)[0].is_allowed


def test_the_contracts_of_a_commit_are_read_from_git():
    commit = subprocess.run(
        ["git", "-C", str(REPOSITORY), "rev-parse", "HEAD"], capture_output=True, text=True, check=False
    )
    if commit.returncode:
        pytest.skip("this is no Git checkout")
    assert contracts.at(REPOSITORY, commit.stdout.strip()).keys() >= {"orders", "fact_sales"}


def test_a_commit_that_git_does_not_know_is_refused_and_an_option_is_no_commit():
    with pytest.raises(WorkspaceError, match="git fetch"):
        contracts.at(REPOSITORY, "no-such-branch")
    with pytest.raises(WorkspaceError, match="is no commit"):
        contracts.at(REPOSITORY, "--output=x")


@pytest.mark.parametrize(
    ("before", "code", "said"),
    [
        (changed("orders", add), 1, "FAIL orders: a breaking change needs a new major version."),
        (changed("orders", drop("coupon_codes")), 0, "backfill  2026-01-01 to "),
        (NOW, 0, "No contract has changed."),
    ],
    ids=["breaking", "additive", "none"],
)
def test_the_exit_code_is_one_only_for_a_breaking_change(monkeypatch, before, code, said):
    monkeypatch.setattr(contracts, "at", lambda root, ref: before)
    answer = CliRunner().invoke(cli.app, ["contracts", "diff", "main"])
    assert (answer.exit_code, said in answer.output) == (code, True), answer.output
