"""The page of `skipcast demo`, and the browser that opens it."""

import json
import urllib.request
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from playwright.sync_api import Browser, ConsoleMessage, Page, ViewportSize

from harness.servers import SKIPCAST, Process, free_port, running

SIZES: dict[str, ViewportSize] = {
    "desktop": {"width": 1200, "height": 900},
    "phone": {"width": 390, "height": 844},
}


def demo(folder: Path, scoring: str) -> tuple[str, AbstractContextManager[Process]]:
    """Return the address of the page, and what runs `skipcast demo` for it."""
    port = free_port()
    command: list[str | Path] = [SKIPCAST, "demo", "--port", str(port), "--server", scoring]
    url, log = f"http://127.0.0.1:{port}", folder / f"demo-{port}.log"
    return f"{url}/", running(command, url, log, cwd=folder)


@contextmanager
def opened(browser: Browser, size: str) -> Iterator[Page]:
    """Yield a page at which every request to another host, and every fault, is a failure."""
    page = browser.new_page(viewport=SIZES[size])
    hosts: set[str] = set()
    faults: list[str] = []

    def note(line: ConsoleMessage) -> None:
        if line.type in ("error", "warning"):
            faults.append(line.text)

    page.on("request", lambda sent: hosts.add(urlsplit(sent.url).hostname or "none: data"))
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.on("console", note)
    yield page
    page.close()
    assert hosts <= {"127.0.0.1", "none: data"}
    # A refused session is no fault of the page; the browser notes its status all the same.
    assert [fault for fault in faults if "status of 400" not in fault] == []


def get(url: str) -> Any:
    """Return the JSON at an address."""
    with urllib.request.urlopen(url, timeout=30) as answer:
        return json.load(answer)
