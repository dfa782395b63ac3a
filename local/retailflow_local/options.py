"""Values that several commands take, checked before anything runs."""

from datetime import date

import typer


def calendar_date(text: str) -> date:
    """Parse a date as YYYY-MM-DD. Raises: typer.BadParameter with the expected form."""
    try:
        day = date.fromisoformat(text)
    except ValueError:
        day = None
    if day is None or day.isoformat() != text:  # fromisoformat also takes 20260115 and 2026-W03-4
        raise typer.BadParameter(f"{text!r} is not a date as YYYY-MM-DD.")
    return day
