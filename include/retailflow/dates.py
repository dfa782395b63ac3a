"""Which ingestion date a run of `retailflow_daily` is for."""

from datetime import UTC, date, datetime, timedelta


def ingestion_date_of(chosen: str | None, logical_date: datetime | None, run_after: datetime) -> date:
    """Return the ingestion date of a run.

    That is the date chosen in its form; else its logical date; else, for a run triggered without one, the last day that
    was over in UTC when it was triggered. Never `ds`, which does not exist without a logical date.

    Raises: ValueError where `chosen` is not a date of the form YYYY-MM-DD.
    """
    if chosen:
        return date_of(chosen)
    if logical_date:
        return logical_date.astimezone(UTC).date()
    return run_after.astimezone(UTC).date() - timedelta(days=1)


def date_of(text: object) -> date:
    """Return the date of a text of the form YYYY-MM-DD. Raises: ValueError where it has another form."""
    try:
        day = date.fromisoformat(text) if isinstance(text, str) else None
    except ValueError:
        day = None
    if day is None or day.isoformat() != text:
        raise ValueError(f"{text!r} is not a date of the form YYYY-MM-DD")
    return day
