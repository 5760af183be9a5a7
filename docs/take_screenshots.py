"""Takes the pictures of the page in this folder: ``python docs/take_screenshots.py INDEX``.

Needs an index whose videos are there, and Debian's Chromium.
"""

import argparse
import io
import re
import subprocess
from pathlib import Path

from PIL import Image
from playwright.sync_api import Page, sync_playwright

FOLDER = Path(__file__).parent
CHROMIUM = "/usr/bin/chromium"
SENTENCE = "tomorrow the teacher will like a book"
DESKTOP, PHONE = {"width": 1280, "height": 960}, {"width": 360, "height": 780}


def main() -> None:
    """Serves the index and takes three pictures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("index", type=Path)
    parser.add_argument("--sentence", default=SENTENCE)
    parser.add_argument("--filter", default="split=test", help="COLUMN=VALUE that is chosen")
    options = parser.parse_args()
    command = ["seds-search", "serve", str(options.index), "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        found = re.search(r"http://\S+/", server.stdout.readline())
        try:
            if found:
                _take(found[0], options.sentence, options.filter)
        finally:
            server.terminate()


def _take(address: str, sentence: str, chosen: str) -> None:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        for name, size, scheme in (
            ("search-page", DESKTOP, "light"),
            ("search-page-dark", DESKTOP, "dark"),
            ("search-page-phone", PHONE, "light"),
        ):
            page = browser.new_page(viewport=size, color_scheme=scheme)
            page.goto(address)
            page.locator("#filter-columns fieldset").first.wait_for(state="attached")
            column, _, value = chosen.partition("=")
            box = page.locator("#filters-box")
            was_open = box.get_attribute("open") is not None
            box.evaluate("(box) => { box.open = true; }")
            page.get_by_role("group", name=column).get_by_label(value, exact=True).check()
            box.evaluate("(box, open) => { box.open = open; }", was_open)
            page.get_by_label("Type a sentence").fill(sentence)
            page.get_by_role("button", name="Search", exact=True).click()
            page.locator(".card").first.wait_for()
            _choose_a_word(page)
            picture = Image.open(io.BytesIO(page.screenshot()))
            # As many colours as a page has, in a third of the bytes.
            picture.convert("RGB").quantize(192).save(FOLDER / f"{name}.png", optimize=True)
        browser.close()


def _choose_a_word(page: Page) -> None:
    """Shows where the longest word was found in the first video, and waits until videos play."""
    words = page.locator(".card").first.locator(".word")
    longest = max(range(words.count()), key=lambda number: len(words.nth(number).inner_text()))
    words.nth(longest).hover()
    page.evaluate("scrollTo(0, 0)")
    page.wait_for_timeout(4000)


if __name__ == "__main__":
    main()
