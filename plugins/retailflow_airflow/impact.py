"""The consequences of a DAG's failure, as tags that Airflow's list of DAGs shows and filters by."""

from enum import StrEnum


class Impact(StrEnum):
    """Who is affected while the DAG does not work."""

    TIER_1 = "tier_1"  # readers see old numbers, or failures are not reported
    TIER_2 = "tier_2"  # a person waits, or a promise that allows days is late
    TIER_3 = "tier_3"  # nobody waits; cost or speed suffers


class Triage(StrEnum):
    """When on-call looks at the failure."""

    AT_ONCE = "at_once"
    NEXT_WORKING_DAY = "next_working_day"
    IF_IT_REPEATS = "if_it_repeats"  # the next run makes up for it


def tags(impact: Impact, triage: Triage) -> list[str]:
    """Return both as tags of a DAG."""
    return [f"impact:{impact}", f"triage:{triage}"]
