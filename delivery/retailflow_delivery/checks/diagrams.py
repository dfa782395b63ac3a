"""Draw the Mermaid diagrams of Markdown files."""

import re
from collections.abc import Iterator
from pathlib import Path

from retailflow_delivery.checks import Failed

_DIAGRAM = re.compile(r"^```mermaid\n(.*?)^```$", re.DOTALL | re.MULTILINE)
_DRAW = "text => mermaid.render('drawn', text).then(() => '', error => String(error.message || error))"


def draw(root: Path, mermaid: Path, chromium: str) -> str:
    """Draw all diagrams. Raises: Failed with file, line and Mermaid's message for each diagram that it cannot draw."""
    from playwright.sync_api import sync_playwright

    found, wrong = list(_diagrams(root)), []
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"])
        page = browser.new_page()
        page.set_content("<body></body>")
        page.add_script_tag(path=mermaid)
        for place, text in found:
            if said := page.evaluate(_DRAW, text):
                wrong.append(f"{place}: {said}")
        browser.close()
    if wrong:
        raise Failed("\n".join(wrong))
    return f"{len(found)} diagrams"


def _diagrams(root: Path) -> Iterator[tuple[str, str]]:
    """Yield each diagram: its file and first line as `path:line`, then its text."""
    for path in sorted([*root.glob("*.md"), *(root / "docs").rglob("*.md")]):
        text = path.read_text()
        for match in _DIAGRAM.finditer(text):
            yield f"{path.relative_to(root)}:{text.count(chr(10), 0, match.start()) + 1}", match[1]
