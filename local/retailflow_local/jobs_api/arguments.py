"""The arguments of a request. A client may send them in the query or as a JSON body, on GET too."""

import json
from typing import Annotated, Any

from fastapi import Depends, Request

from retailflow_local.jobs_api.errors import ApiError, invalid


async def _arguments(request: Request) -> dict[str, Any]:
    try:
        body = json.loads(await request.body() or b"{}")
    except ValueError as error:
        raise ApiError(400, "MALFORMED_REQUEST", f"The body is not JSON: {error}") from None
    if not isinstance(body, dict):
        raise ApiError(400, "MALFORMED_REQUEST", "The body must be a JSON object")
    return {**request.query_params, **body}


Arguments = Annotated[dict[str, Any], Depends(_arguments)]


def integer(arguments: dict[str, Any], name: str) -> int | None:
    """Return an argument as a number, or None if it is missing. Templates and query strings send numbers as text."""
    value = arguments.get(name)
    if value is None:
        return None
    try:
        number = int(str(value))
    except ValueError:
        raise invalid(f"{name} must be an integer, not {value!r}") from None
    if not 0 <= number < 2**63:
        raise invalid(f"{name} is out of range: {number}")
    return number
