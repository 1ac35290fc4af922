"""Takes the documentation's pictures of the demo's page, without its table of plays.

Usage: `python benchmarks/demo_page.py`, while `skipcast serve` and `skipcast demo` run. It takes
some seconds, and measures nothing. Where the data are a history, it takes the pictures of that.
"""

import shutil
import sys
from pathlib import Path

from arguments import make_parser
from PIL import Image
from playwright.sync_api import FloatRect, Page, ViewportSize, sync_playwright

from skipcast.params import read_params

FOLDER = Path("docs/figures")
SIZES: dict[str, ViewportSize] = {
    "": {"width": 1000, "height": 800},
    "_phone": {"width": 390, "height": 844},
}


def main() -> None:
    """Write the pictures."""
    make_parser(__doc__).parse_args()
    url = f"http://127.0.0.1:{read_params().demo.port}/"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"))
        for suffix, size in SIZES.items():
            page = browser.new_page(viewport=size)
            page.goto(url)
            page.locator("#why .bars .point").first.wait_for()
            if "Synthetic" not in page.locator("#data").inner_text():
                sys.exit("Real sessions may not be passed on: no picture was taken.")
            if page.locator("#tabs").is_hidden():
                take(page, FOLDER / f"demo{suffix}.png", "table-title")
                continue
            take(page, FOLDER / f"listening_session{suffix}.png", "table-title")
            page.get_by_role("tab", name="listening").click()
            page.locator("#carries li").first.wait_for()
            take(
                page,
                FOLDER / f"listening{suffix}.png",
                "ranked-title" if suffix else "tracks-skipped",
            )


def take(page: Page, path: Path, end: str) -> None:
    """Write a picture of the page down to the part that holds `end`."""
    height = page.locator(f"#{end}").evaluate("each => each.parentElement.offsetTop")
    width = (page.viewport_size or SIZES[""])["width"]
    clip: FloatRect = {"x": 0, "y": 0, "width": width, "height": height}
    page.screenshot(path=path, full_page=True, clip=clip)
    Image.open(path).quantize().save(path, optimize=True)  # 256 colours are enough for it


if __name__ == "__main__":
    main()
