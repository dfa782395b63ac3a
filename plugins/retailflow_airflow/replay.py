"""The trigger form of the replay DAG, and its plan: which dates to rebuild, which tasks run and which are skipped."""

import json
import logging
from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Any

from airflow.providers.databricks.hooks.databricks import DatabricksHook
from airflow.providers.microsoft.azure.hooks.wasb import WasbHook
from airflow.sdk import BaseOperator, Param
from airflow.sdk.exceptions import AirflowFailException, AirflowSkipException
from azure.core.exceptions import ResourceNotFoundError

from retailflow.contracts import built_from, feed_contract, feeds
from retailflow.environments import Environment, load_environment
from retailflow.raw import plan_path
from retailflow_airflow.macros import parsed_date
from retailflow_airflow.reaper import last_attempts
from retailflow_airflow.submit import DATABRICKS_RUN, payload, spark_task, submission

LAYERS = ["bronze", "silver", "gold"]
SELECTIONS = ["range", "late", "quarantined", "outdated"]
LOOK_BACK_DAYS = 7  # if the form has no dates
SWEEP_HOUR = 5  # UTC: the scheduled run in this hour looks at all dates of the schedule instead
MOST_DAYS = 400  # the limit of a range, because every date in it is rebuilt
MOST_ITEMS = 1000  # Airflow maps a task over at most 1,024 items (core.max_map_length)
IN_PARALLEL = 4  # parallel Databricks runs of a layer; each is a separate job
PLANNED_DATE = "{{ planned(ti).date }}"
Plan = dict[str, dict[str, int | None]]
_log = logging.getLogger(__name__)
_PLAN_DOC = """Finds the dates to rebuild and what they cost.

- **Reads** the run log `ops.task_attempts`, names in RAW and quarantine; **writes** nothing.
- **Safe to clear**: always, together with its downstream tasks.
"""
REBUILD_DOC = """Does the same as `{layer}.<feed>` of the daily DAG, once for each feed and date of the plan.

- **Reads** and **writes** the same.
- **Safe to clear**: always, each index by itself.
"""


def trigger_form() -> dict[str, Param]:
    """Return the fields of the trigger form; a trigger's conf has the same keys."""
    selected = (
        "Which of these dates: range, all; late, those with a batch that arrived after their run; quarantined, those "
    )
    selected += "with invalid rows by an earlier contract; outdated, those built with another contract or code."
    names = [contract.name for contract in feeds()]
    return {
        "selection": Param("range", enum=SELECTIONS, title="Selection", description=selected),
        **date_fields(),
        "feeds": _several(names, "Feeds", "The feeds to rebuild."),
        "layers": _several(LAYERS, "Layers", "The others are left as they are."),
        "dry_run": Param(True, type="boolean", title="Dry run", description="Only log what would be done."),
    }


def date_fields() -> dict[str, Param]:
    """Return the form's fields for the first and the last ingestion date, both included."""
    day = {"type": ["null", "string"], "format": "date"}
    empty = f"Empty: the last {LOOK_BACK_DAYS} finished days; a range needs both dates."
    return {
        "date_from": Param(None, **day, title="First ingestion date", description=empty),
        "date_to": Param(None, **day, title="Last ingestion date", description=f"Included. {empty}"),
    }


def _several(names: list[str], title: str, description: str) -> Param:
    """Return a field in which a person selects one or more names."""
    items = {"type": "string", "enum": names}
    more = {"items": items, "examples": names, "minItems": 1, "uniqueItems": True}
    return Param(names, type="array", title=title, description=description, **more)


def dates(dag_run: Any, params: Mapping[str, Any]) -> tuple[date, date]:
    """Return the first and the last ingestion date that a run looks at.

    Raises:
        AirflowFailException: the dates are invalid, not over, in the wrong order or too many; the task fails without a
            retry.
    """
    chosen = [params.get(name) for name in ("date_from", "date_to")]
    started = dag_run.run_after.astimezone(UTC)
    last_over = started.date() - timedelta(days=1)
    if not any(chosen) and params.get("selection") != "range":
        recent = last_over - timedelta(days=LOOK_BACK_DAYS - 1)
        is_sweep = dag_run.run_type == "scheduled" and started.hour == SWEEP_HOUR
        return min(recent, load_environment().schedule.first_date) if is_sweep else recent, last_over
    if not all(chosen):
        raise AirflowFailException("date_from and date_to are both needed: trigger again with them.")
    first, last = (parsed_date(name, text) for name, text in zip(("date_from", "date_to"), chosen, strict=True))
    if last < first:
        raise AirflowFailException(f"date_to {last} is before date_from {first}: trigger again with them in order.")
    if last >= datetime.now(UTC).date():
        raise AirflowFailException(f"{last} is not over in UTC: trigger again with an earlier date_to.")
    if params.get("selection") == "range" and (count := (last - first).days + 1) > MOST_DAYS:
        raise AirflowFailException(f"{first} to {last} are {count} days: trigger again with at most {MOST_DAYS}.")
    return first, last


def planned(ti: Any) -> dict[str, str]:
    """Return `feed` and `date` of a mapped task. For another task, return the plan's last item: the last date."""
    return ti.xcom_pull(task_ids="read_plan")[ti.map_index]


def found_dates(ti: Any) -> tuple[str, str]:
    """Return the first and the last date that `read_found` returned."""
    days = [day for found in ti.xcom_pull(task_ids="read_found").values() for day in found]
    return min(days), max(days)


MACROS = {"dates": dates, "planned": planned, "found_dates": found_dates}


def plan_task(
    env: Environment, selection: str = "{{ params.selection }}", names: str = "{{ params.feeds | join(',') }}"
) -> BaseOperator:
    """Return the task `plan`, a Spark job whose output ends with the plan."""
    first, last = (f"{{{{ dates(dag_run, params)[{which}] }}}}" for which in (0, 1))
    asked = ["--selection", selection, "--feeds", names, "--first-date", first, "--last-date", last]
    asked += ["--run-id", DATABRICKS_RUN]
    return spark_task(env, "plan", submission(env, "plan", asked, f"{first}..{last}"), _PLAN_DOC)


def feed_task(env: Environment, script: str, doc: str, **settings: Any) -> BaseOperator:
    """Return the task `<script>.feed` of a mapped group, with one index for each feed and date of the plan."""
    return spark_task(
        env,
        f"{script}.feed",
        payload(env, script, "{{ planned(ti).feed }}", PLANNED_DATE),
        doc,
        map_index_template="{{ planned(ti).feed }} {{ planned(ti).date }}",
        max_active_tis_per_dagrun=IN_PARALLEL,
        **settings,
    )


def read_plan(databricks_run_id: int, params: Mapping[str, Any] | None = None) -> list[dict[str, str]]:
    """Logs what the run will do, and returns the plan: each feed and date, sorted by date.

    The plan is empty if there is nothing to do, or in a dry run. An empty plan ends the run.

    - **Reads** the plan that `plan` left in RAW; **writes** nothing.
    - **Safe to clear**: always.
    - **Where to look**: this task's log says what will be done; the log of `plan` says why it found nothing.
    """
    found = read_found(databricks_run_id)
    plan = items(found)
    does = dict.fromkeys(("bronze", "silver"), f"{len(plan)} runs") | {"gold": ", ".join(touched(found))}
    for layer in LAYERS:
        _log.info("%s: %s", layer, does[layer] if layer in params["layers"] else "left as it is")
    if params["dry_run"]:
        _log.info("A dry run: nothing is started.")
        return []
    if len(plan) > MOST_ITEMS:
        raise AirflowFailException(f"{len(plan):,} dates of feeds: a run takes {MOST_ITEMS:,}. Choose fewer days.")
    return plan


def items(found: Plan) -> list[dict[str, str]]:
    """Return each feed and date of the plan, sorted by date: the items of a mapped group."""
    return [{"feed": name, "date": day} for day, name in sorted((day, name) for name in found for day in found[name])]


def read_found(databricks_run_id: int) -> Plan:
    """Logs the result of `plan`, and returns it. It is empty if `plan` found nothing, which ends the run.

    - **Reads** the plan that `plan` left in RAW; **writes** nothing.
    - **Safe to clear**: always.
    - **Where to look**: this task's log says what was found; the log of `plan` says why it found nothing.
    """
    hook = DatabricksHook()
    (task_run_id,) = last_attempts(hook.get_run(databricks_run_id))
    found = plan_of(task_run_id)
    for name, days in sorted(found.items()):
        known = [count for count in days.values() if count is not None]
        never = f", {len(days) - len(known)} have never run" if len(known) < len(days) else ""
        _log.info("%s: %d dates, %s to %s, %s rows%s", name, len(days), min(days), max(days), f"{sum(known):,}", never)
    if not found:
        _log.info("There is nothing to rebuild.")
    return found


def read_late(databricks_run_id: int, ti: Any = None) -> Plan:
    """Logs and returns the late dates that `plan` found, like `read_found`.

    The result is also empty while a replay is queued: otherwise each hour would queue one more.

    - **Reads** the plan that `plan` left in RAW; **writes** nothing.
    - **Safe to clear**: always.
    - **Where to look**: this task's log says what was found; the log of `plan` says why it found nothing.
    """
    found = read_found(databricks_run_id)
    if found and ti.get_dr_count(dag_id="retailflow_replay", states=["queued"]):
        _log.info("A replay is already queued. The next hour finds the dates that are still late then.")
        return {}
    return found


def plan_of(databricks_run_id: int) -> Plan:
    """Return the plan that a run left: by feed and ingestion date the records it has; None if the date never ran.

    Raises: AirflowFailException if the run left none.
    """
    path = plan_path(databricks_run_id)
    try:
        return json.loads(WasbHook().read_file(load_environment().raw.container, path))
    except ResourceNotFoundError:
        raise AirflowFailException(
            f"RAW has no {path}: clear the task that plans, and see its Databricks run."
        ) from None


def touched(names: Iterable[str]) -> list[str]:
    """Return the names of the GOLD tables that are built from these feeds, directly or not."""
    return [table.name for table in built_from(table.name for name in names for table in feed_contract(name).tables)]


def only_with(layer: str) -> dict[str, Any]:
    """Return the settings of a task that skips itself if the form did not choose the layer."""

    def check(context: Mapping[str, Any]) -> None:
        if layer not in context["params"]["layers"]:
            raise AirflowSkipException(f"The layer {layer} was not chosen.")

    return {"pre_execute": check}


def chosen(layer: str) -> dict[str, Any]:
    """Return the settings of a task that skips itself if its layer was not chosen or its GOLD table is not affected."""
    is_asked = only_with(layer)["pre_execute"]

    def check(context: Mapping[str, Any]) -> None:
        is_asked(context)
        if layer == "gold":
            names = {item["feed"] for item in context["ti"].xcom_pull(task_ids="read_plan")}
            table = context["task"].label
            if table not in touched(names):
                raise AirflowSkipException(f"{table} is built from none of {', '.join(sorted(names))}.")

    return {"pre_execute": check, "trigger_rule": "none_failed"}  # a skipped task does not stop other tasks
