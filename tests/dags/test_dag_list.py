"""The tags by which people filter DAGs, and the list of DAGs."""

from retailflow_airflow.impact import Impact, Triage
from retailflow_delivery.dag_list import PAGE, page
from retailflow_local.workspace import REPOSITORY


def test_every_dag_says_who_is_hurt_and_when_to_look(dags_in):
    dags = dags_in("prod")
    assert dags
    for dag in dags.values():
        impact, triage = (
            [tag.partition(":")[2] for tag in dag.tags if tag.startswith(f"{kind}:")] for kind in ("impact", "triage")
        )
        assert len(impact) == len(triage) == 1, dag.dag_id
        assert Impact(impact[0]) and Triage(triage[0])


def test_the_list_of_dags_is_that_of_the_dags(dags_in):
    assert (REPOSITORY / PAGE).read_text("utf-8") == page(dags_in("prod")), "run ./retailflow dags"
