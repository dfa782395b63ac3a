"""The ingestion date of a run of `retailflow_daily`."""

from datetime import UTC, date, datetime, timedelta


def ingestion_date_of(chosen: str | None, logical_date: datetime | None, run_after: datetime) -> date:
    """Return the ingestion date of a run.

    It is the date chosen in the trigger form, else the logical date. For a run triggered without both, it is the last
    day that was over in UTC when the run was triggered. `ds` is not used: it does not exist without a logical date.

    Raises: ValueError where `chosen` is not a date of the form YYYY-MM-DD.
    """
    if chosen:
        return date_of(chosen)
    if logical_date:
        return logical_date.astimezone(UTC).date()
    return run_after.astimezone(UTC).date() - timedelta(days=1)


def date_of(text: object) -> date:
    """Parse a date of the form YYYY-MM-DD. Raises: ValueError where the text has another form."""
    try:
        day = date.fromisoformat(text) if isinstance(text, str) else None
    except ValueError:
        day = None
    if day is None or day.isoformat() != text:
        raise ValueError(f"{text!r} is not a date of the form YYYY-MM-DD")
    return day
