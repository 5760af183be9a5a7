"""A headless Chromium with a camera that is none, for tests of the page."""

import os
import time
from contextlib import contextmanager
from pathlib import Path

import pytest

CHROMIUM = Path("/usr/bin/chromium")
AXE = Path(__file__).parent / "search" / "serve" / "axe" / "axe.min.js"

DESKTOP = {"width": 1280, "height": 900}
PHONE = {"width": 360, "height": 740}


@contextmanager
def chromium():
    """A running browser; skips the test where there is none, unless all is required."""
    reason = None
    if not CHROMIUM.exists():
        reason = f"{CHROMIUM} is missing: apt install chromium"
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        reason = 'playwright is missing: pip install -e ".[dev]"'
    if reason and os.environ.get("SEDS_REQUIRE_SHARED") == "1":
        pytest.fail(reason)
    if reason:
        pytest.skip(reason)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=str(CHROMIUM),
            args=[
                "--use-fake-device-for-media-stream",
                "--use-fake-ui-for-media-stream",
                # Tests may run as root, in containers.
                "--no-sandbox",
            ],
        )
        yield browser
        browser.close()


def until(page, expression, seconds=20):
    """Waits until JavaScript finds something true.

    Playwright's own waiting for a function compiles text in the page, which the page's policy
    forbids; evaluating from outside does not.
    """
    deadline = time.monotonic() + seconds
    while not page.evaluate(expression):
        if time.monotonic() > deadline:
            pytest.fail(f"after {seconds} s it is still not so: {expression}")
        page.wait_for_timeout(50)


def violations(page):
    """What axe-core finds that is serious or critical, in words."""
    # As an argument of evaluate: the page's own policy forbids scripts from elsewhere.
    page.evaluate(AXE.read_text())
    found = page.evaluate("async () => (await axe.run()).violations")
    return [
        f"{one['impact']}: {one['id']}: {node['html'][:200]}"
        for one in found
        if one["impact"] in ("serious", "critical")
        for node in one["nodes"]
    ]
