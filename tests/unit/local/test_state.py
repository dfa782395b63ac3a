import json
import os
import socket

import pytest

from retailflow_local.errors import WorkspaceError
from retailflow_local.state import (
    Simulation,
    State,
    choose_ports,
    load_secrets,
    read_state,
    write_key_vault,
    write_private,
    write_state,
)
from retailflow_local.workspace import Workspace


@pytest.fixture
def usual(monkeypatch):
    """Two services whose usual ports are free."""
    ports = {}
    for name in ("azurite", "spark"):
        with socket.create_server(("127.0.0.1", 0)) as server:
            ports[name] = server.getsockname()[1]
    monkeypatch.setattr("retailflow_local.state.PREFERRED_PORTS", ports)
    return ports


def test_the_usual_ports_are_taken_while_they_are_free(usual):
    assert choose_ports({}, {}) == usual


def test_a_busy_port_is_replaced_by_a_free_one(usual):
    with socket.create_server(("127.0.0.1", usual["spark"])):
        ports = choose_ports({}, {})
    assert ports["azurite"] == usual["azurite"]
    assert ports["spark"] not in usual.values()


def test_a_workspace_beside_the_usual_one_leaves_its_ports_alone(usual):
    assert not set(choose_ports({}, {}, beside=True).values()) & set(usual.values())


def test_a_wish_for_a_busy_port_is_refused(usual):
    with (
        socket.create_server(("127.0.0.1", usual["spark"])),
        pytest.raises(WorkspaceError, match=rf"Port {usual['spark']}, asked for azurite, is in use"),
    ):
        choose_ports({"azurite": usual["spark"]}, {})


def test_a_running_service_keeps_its_port_and_refuses_another(usual):
    assert choose_ports({}, {"azurite": 1234})["azurite"] == 1234
    with pytest.raises(WorkspaceError, match="azurite already runs on port 1234"):
        choose_ports({"azurite": 2345}, {"azurite": 1234})


def test_the_state_comes_back_as_it_was_written(tmp_path):
    state = State({"spark": 15002}, Simulation(seed=3, scale=0.5, trouble="none"))
    write_state(tmp_path, state)
    assert read_state(tmp_path) == state


def test_a_damaged_state_is_named_with_the_fix(tmp_path):
    (tmp_path / "workspace.json").write_text("{}")
    with pytest.raises(WorkspaceError, match=r"workspace\.json is damaged .* Delete it"):
        read_state(tmp_path)


def test_secrets_are_generated_once_and_differ_from_each_other(tmp_path):
    secrets = load_secrets(tmp_path)
    assert load_secrets(tmp_path) == secrets
    assert len({secrets.databricks_token, secrets.orders_api_token, secrets.crm_api_token}) == 3


def test_a_private_file_is_readable_by_its_owner_only(tmp_path):
    write_private(tmp_path / "secrets" / "x", "y")
    assert (tmp_path / "secrets" / "x").stat().st_mode & 0o777 == 0o600
    assert (tmp_path / "secrets").stat().st_mode & 0o777 == 0o700


def test_the_key_vault_has_the_names_that_the_local_environment_reads(tmp_path):
    secrets = load_secrets(tmp_path)
    vault = json.loads(write_key_vault(tmp_path, secrets, 10123).read_text())
    assert list(vault) == ["retailflow-keyvault"]
    keys = vault["retailflow-keyvault"]
    assert keys["orders-api-token"] == secrets.orders_api_token
    assert "BlobEndpoint=http://127.0.0.1:10123/devstoreaccount1;" in keys["raw-connection-string"]
    assert "&sp=racwl&" in keys["raw-connection-string"]
    assert "&sp=racwdl&" in keys["raw-eraser-connection-string"]
    assert len(keys) == 4


def test_no_secret_is_written_where_the_file_system_keeps_no_access_rights(tmp_path, monkeypatch):
    found = os.stat_result((0o100777, *[0] * 9))
    monkeypatch.setattr(os, "fstat", lambda descriptor: found)
    with pytest.raises(WorkspaceError, match="keeps no access rights"):
        write_private(tmp_path / "secrets" / "x", "y")
    assert not list((tmp_path / "secrets").iterdir())


@pytest.mark.parametrize("character", ",;:?#")
def test_a_path_that_spark_or_sqlite_would_split_is_refused(tmp_path, character):
    with pytest.raises(WorkspaceError, match="take for the end of a path"):
        Workspace(tmp_path / f"a{character}b").start()
    assert not list(tmp_path.iterdir())
