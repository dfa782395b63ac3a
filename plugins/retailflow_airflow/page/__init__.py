"""The RetailFlow page of Airflow's UI: what each day became in each layer, and whether it was in time.

`run_log.py` reads what the jobs recorded, `airflow_states.py` what Airflow knows; `cells.py` judges them, `trend.py`
looks at them over time, `app.py` serves the page.
"""

from functools import cached_property
from typing import Any


class Page:
    """The page's ASGI app, built by its first request: all of Airflow's components load plugins, one serves them."""

    @cached_property
    def _app(self) -> Any:
        from retailflow_airflow.page.app import create_app

        return create_app()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        await self._app(scope, receive, send)
