"""What a person sees while it works: one line per step, with its seconds."""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.markup import escape

from retailflow_local.downloads import Progress

# In a file or a pipe nothing may be cut off at the 80 columns that Rich assumes there.
console = Console(highlight=False, width=None if sys.stdout.isatty() else 140)
errors = Console(stderr=True, highlight=False)


@contextmanager
def steps() -> Iterator[Progress]:
    """A callback `(step, detail)`: a new step ends the one before; the same step with another detail goes on."""
    current, began = "", time.monotonic()

    def finish(mark: str) -> None:
        if current:
            console.print(f"{mark} {escape(current)} [dim]{time.monotonic() - began:.1f} s[/dim]")

    with console.status("") as status:

        def on_step(step: str, detail: str = "") -> None:
            nonlocal current, began
            if step != current:
                finish("[green]✓[/green]")
                current, began = step, time.monotonic()
            status.update(escape(f"{step} {detail}".strip()))

        try:
            yield on_step
        except BaseException:
            finish("[red]✗[/red]")
            status.update("Stopping what was started")
            raise
        finish("[green]✓[/green]")
