"""The output for a person at the terminal: one line per step, with its duration in seconds."""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.markup import escape

from retailflow_local.downloads import Progress

# For a file or a pipe Rich assumes 80 columns and would cut off longer lines.
console = Console(highlight=False, width=None if sys.stdout.isatty() else 140)
errors = Console(stderr=True, highlight=False)


# Control characters, and bidirectional overrides, which show a text in another order.
_HIDDEN = [*range(0x20), *range(0x7F, 0xA0), 0x061C, 0x200E, 0x200F, *range(0x202A, 0x202F), *range(0x2066, 0x206A)]
_SHOWN = {code: f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" for code in _HIDDEN}


def visible(text: str) -> str:
    """Return a text from outside in a form that is safe to show: control characters are escaped."""
    return text.translate(_SHOWN)


@contextmanager
def steps() -> Iterator[Progress]:
    """Yield a callback `(step, detail)`. A new step ends the previous one; a new detail alone does not."""
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
