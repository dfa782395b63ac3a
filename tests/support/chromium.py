"""A page of the installed Chromium, for tests that need one for a moment."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from playwright.sync_api import Page, sync_playwright

PROGRAM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


@contextmanager
def browser() -> Iterator[Page]:
    if PROGRAM is None:
        pytest.skip("THE PAGE WAS NOT LOOKED AT: no Chromium is installed. Install it, for example by apt-get.")
    with sync_playwright() as driver:
        chromium = driver.chromium.launch(executable_path=PROGRAM, args=["--no-sandbox", "--disable-gpu"])
        yield chromium.new_page()
        chromium.close()
