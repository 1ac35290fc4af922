"""Takes the documentation's pictures of the demo's page, without its table of plays.

Usage: `python benchmarks/demo_page.py`, while `skipcast serve` and `skipcast demo` run. It takes
some seconds, and measures nothing.
"""

import shutil
import sys
from pathlib import Path

from arguments import make_parser
from playwright.sync_api import FloatRect, ViewportSize, sync_playwright

from skipcast.params import read_params

FIGURES: dict[Path, ViewportSize] = {
    Path("docs/figures/demo.png"): {"width": 1000, "height": 800},
    Path("docs/figures/demo_phone.png"): {"width": 390, "height": 844},
}


def main() -> None:
    """Write the pictures."""
    make_parser(__doc__).parse_args()
    url = f"http://127.0.0.1:{read_params().demo.port}/"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"))
        for figure, size in FIGURES.items():
            page = browser.new_page(viewport=size)
            page.goto(url)
            page.locator("#why .bars .point").first.wait_for()
            if "Synthetic" not in page.locator("#data").inner_text():
                sys.exit("Real sessions may not be passed on: no picture was taken.")
            end = page.locator("#table-title").evaluate("each => each.parentElement.offsetTop")
            clip: FloatRect = {"x": 0, "y": 0, "width": size["width"], "height": end}
            page.screenshot(path=figure, full_page=True, clip=clip)


if __name__ == "__main__":
    main()
