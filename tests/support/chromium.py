"""Start the installed Chromium for tests. Playwright allows only one at a time per process."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from playwright.sync_api import Browser, sync_playwright

PROGRAM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


@contextmanager
def launched(*flags: str) -> Iterator[Browser]:
    if PROGRAM is None:
        pytest.skip("THE PAGE WAS NOT LOOKED AT: no Chromium is installed. Install it, for example by apt-get.")
    with sync_playwright() as driver:
        chromium = driver.chromium.launch(executable_path=PROGRAM, args=["--no-sandbox", "--disable-gpu", *flags])
        yield chromium
        chromium.close()
