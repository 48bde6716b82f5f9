"""A headless Chromium, driven by Playwright, that reaches nothing but the loopback."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import Browser, sync_playwright

# As scripts/install-browser.sh looks for it.
NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
MACOS = Path("/Applications/Google Chrome.app/Contents/MacOS/Google Chrome")
OPTIONS = (
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-default-apps",
    "--disable-domain-reliability",
    "--disable-sync",
    "--no-first-run",
    "--no-pings",
    "--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1",
)


def executable() -> str | None:
    """Return the path of an installed Chromium or Chrome, or None."""
    found = next((path for name in NAMES if (path := shutil.which(name))), None)
    return found or (str(MACOS) if MACOS.exists() else None)


@contextmanager
def chromium() -> Iterator[Browser]:
    """Start the browser. Skip the test if there is none."""
    path = executable()
    if path is None:
        pytest.skip("there is no Chromium or Chrome: run scripts/install-browser.sh")
    # Its sandbox refuses to run as root.
    sandbox = () if os.getuid() else ("--no-sandbox",)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=[*OPTIONS, *sandbox])
        try:
            yield browser
        finally:
            browser.close()
