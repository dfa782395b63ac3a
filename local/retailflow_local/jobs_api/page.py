"""The page behind `run_page_url`: what happened to a run, at one glance, without scripts or external files."""

from datetime import UTC, datetime
from html import escape
from typing import Any

from retailflow_local.jobs_api.store import RunRow, TaskRow

_STYLE = """
:root { color-scheme: light dark; --line: light-dark(#d8dde3, #39414b); --soft: light-dark(#5b6570, #9aa5b1);
  --panel: light-dark(#f5f7f9, #1b2128); --ok: light-dark(#1a7f37, #57d27a); --bad: light-dark(#b3261e, #ff8a80);
  --busy: light-dark(#0b63b5, #7cc0ff); }
body { font: 15px/1.5 system-ui, sans-serif; max-width: 70rem; margin: 2rem auto; padding: 0 1rem;
  background: light-dark(#fff, #12171c); color: light-dark(#1c2329, #e4e9ee); }
h1 { font-size: 1.4rem; margin: 0 0 .25rem; overflow-wrap: anywhere; } h2 { font-size: 1.05rem; margin: 2rem 0 .5rem; }
.state { font-weight: 600; color: var(--busy); } .SUCCESS { color: var(--ok); }
.FAILED, .TIMEDOUT, .CANCELED { color: var(--bad); } .soft { color: var(--soft); }
.error { border-left: 4px solid var(--bad); background: var(--panel); padding: .6rem 1rem; margin: 1rem 0;
  font: 600 15px/1.5 ui-monospace, monospace; overflow-wrap: anywhere; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .15rem 1.25rem; margin: .75rem 0; }
dt { color: var(--soft); } dd { margin: 0; overflow-wrap: anywhere; }
pre { background: var(--panel); border: 1px solid var(--line); border-radius: 6px; padding: .75rem; overflow: auto;
  max-height: 36rem; font: 13px/1.45 ui-monospace, monospace; }
"""
_COMPUTE_KEYS = ("environment_key", "existing_cluster_id", "new_cluster")
_REFRESH = '<meta http-equiv="refresh" content="3">'


def render_page(run: RunRow, view: dict[str, Any], tails: dict[int, tuple[str, bool]]) -> str:
    """Return a run's page in HTML.

    `view` is the run as runs/get returns it. `tails` has the output of each task run, and whether its beginning is cut.
    """
    name, state = escape(view["run_name"]), _state(view)
    tasks = "".join(_task(row, shown, *tails[row.run_id]) for row, shown in zip(run.tasks, view["tasks"], strict=True))
    facts = {"Run": view["run_id"], "Submitted": _time(view["start_time"]), "Ended": _time(view["end_time"])}
    facts["Access"] = ", ".join(_access(one) for one in run.submission.get("access_control_list", ()))
    return f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>{name}: {state}</title><style>{_STYLE}</style>{"" if view["end_time"] else _REFRESH}</head><body>
<h1>{name}</h1>
<span class="state {state}">{state}</span> <span class="soft">{escape(view["state"]["state_message"])}</span>
{_facts(facts | view["tags"])}
{tasks}</body></html>"""


def _task(row: TaskRow, shown: dict[str, Any], log: str, is_cut: bool) -> str:
    python_task = shown["spark_python_task"]
    error = f'<div class="error">{escape(row.error)}</div>' if row.error else ""
    facts = {
        "Task run": row.run_id,
        "Attempt": row.attempt_number + 1,
        "Script": python_task["python_file"],
        "Parameters": " ".join(python_task["parameters"]) or "none",
        "Started": _time(row.execution_start or 0),
        "Duration": f"{shown['execution_duration'] / 1000:.1f} s" if row.end_time else "",
        "Compute": ", ".join(f"{key} {shown[key]}" for key in _COMPUTE_KEYS if shown.get(key)),
    }
    tags = (shown.get("new_cluster") or {}).get("custom_tags") or {}
    note = '<p class="soft">The beginning is cut off.</p>' if is_cut else ""
    return f"""<section id="task-{escape(shown["task_key"])}">
<h2>{escape(shown["task_key"])} <span class="state {_state(shown)}">{_state(shown)}</span></h2>
{error}{_facts(facts | tags)}{note}<pre>{escape(log) or "Nothing was printed."}</pre></section>
"""


def _access(given: dict[str, str | None]) -> str:
    (principal,) = (name for key, name in given.items() if key.endswith("_name") and name)
    return f"{principal} {given['permission_level']}"


def _state(view: dict[str, Any]) -> str:
    state = view["state"]
    return state.get("result_state") or state["life_cycle_state"]


def _facts(facts: dict[str, Any]) -> str:
    rows = (f"<dt>{escape(key)}</dt><dd>{escape(str(value))}</dd>" for key, value in facts.items() if value)
    return f"<dl>{''.join(rows)}</dl>"


def _time(milliseconds: int) -> str:
    return f"{datetime.fromtimestamp(milliseconds / 1000, UTC):%Y-%m-%d %H:%M:%S} UTC" if milliseconds else ""
