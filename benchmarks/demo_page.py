"""Take the picture of the page in the README: `python benchmarks/demo_page.py` beside `skipcast demo`."""

import shutil
import sys
from pathlib import Path

from playwright.sync_api import sync_playwright

FIGURE = Path("docs/figures/demo.png")
SIZE = {"width": 1000, "height": 800}


def main() -> None:
    """Write docs/figures/demo.png from the page at the address given, else at that of params.yaml."""
    url = sys.argv[1] if len(sys.argv) > 1 else "http://127.0.0.1:5002/"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"))
        page = browser.new_page(viewport=SIZE)
        page.goto(url)
        page.locator("#why .bars .point").first.wait_for()
        if "Synthetic" not in page.locator("#data").inner_text():
            sys.exit("Real sessions may not be passed on: no picture was taken.")
        page.screenshot(path=FIGURE, full_page=True)


if __name__ == "__main__":
    main()
