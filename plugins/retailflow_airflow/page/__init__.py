"""The RetailFlow page of Airflow's UI: the state of each day in each layer, and whether it was on time.

`run_log.py` reads the data that the jobs recorded, and `airflow_states.py` the states that Airflow knows. `cells.py`
derives one state for each cell, `trend.py` compares days over time, `app.py` serves the page.
"""

from functools import cached_property
from typing import Any


class Page:
    """The page's ASGI app. The first request builds it, because all of Airflow's components load plugins.

    Only one of the components serves the page.
    """

    @cached_property
    def _app(self) -> Any:
        from retailflow_airflow.page.app import create_app

        return create_app()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        await self._app(scope, receive, send)
