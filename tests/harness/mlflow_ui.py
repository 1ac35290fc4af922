"""The MLflow UI as a person uses it to compare accuracy; tests and the README's pictures share it.

`PYTHONPATH=tests python -m harness.mlflow_ui` in the root of the project, after `make run`,
takes the pictures anew.
"""

import re
import shutil
from pathlib import Path

from playwright.sync_api import Page, ViewportSize, expect

from harness.servers import tracking_server

SECONDS = 120
SIZE: ViewportSize = {"width": 1400, "height": 860}


def sort_by_accuracy(page: Page, address: str, experiment_id: str) -> None:
    """Open the experiment, find the search, sort by accuracy."""
    page.set_default_timeout(SECONDS * 1000)
    page.goto(f"{address}/#/experiments/{experiment_id}/runs")
    page.get_by_role("link", name="search", exact=True).wait_for()
    assistant = page.get_by_role("button", name="Close")
    if assistant.is_visible():
        assistant.click()
    page.get_by_role("button", name="Sort:").click()
    page.get_by_placeholder("Search").last.fill("accuracy")
    page.get_by_text("accuracy", exact=True).click()
    expect(page.get_by_role("button", name="Sort: accuracy")).to_be_visible()


def trials_in_order(page: Page) -> list[str]:
    """Return the names of the trials as they stand now; the grid moves them for a while."""
    trials = page.get_by_role("link", name=re.compile(r"^[a-z]+-\d{3}$"))
    trials.first.wait_for()
    places = [(trial.bounding_box() or {"y": 0})["y"] for trial in trials.all()]
    return [name for _, name in sorted(zip(places, trials.all_inner_texts(), strict=True))]


def compare(page: Page, names: list[str]) -> None:
    """Tick runs and open the compare view, its tables in sight."""
    for name in names:
        row = page.locator(".ag-row", has=page.get_by_role("link", name=name, exact=True))
        box = row.get_by_role("checkbox", name="Press Space")
        for _ in range(SECONDS):  # the grid forgets a tick that comes while it draws itself anew
            if box.is_checked():
                break
            box.click(force=True)
            page.wait_for_timeout(1000)
    page.get_by_role("button", name="Compare").click()
    expect(page.get_by_role("heading", name=f"Comparing {len(names)} Runs")).to_be_visible()
    for folded in ("Visualizations", "Parameters"):
        page.get_by_role("button", name=folded).click()
    page.get_by_text("train_accuracy", exact=True).wait_for()


def open_model(page: Page, address: str, model: str) -> None:
    """Open a registered model."""
    page.goto(f"{address}/#/models/{model}")
    page.get_by_text("champion").first.wait_for()


def main() -> None:
    """Take the README's two pictures of the runs of `make run`."""
    import json
    import tempfile

    from mlflow import MlflowClient
    from playwright.sync_api import sync_playwright

    result = json.loads(Path("data/search.json").read_text())
    client = MlflowClient()
    names = [client.get_run(best["run_id"]).info.run_name for best in result["families"].values()]
    experiment_id = client.get_run(result["run_id"]).info.experiment_id
    with sync_playwright() as playwright, tempfile.TemporaryDirectory() as folder:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"))
        page = browser.new_page(viewport=SIZE)
        with tracking_server(Path(folder)) as address:
            sort_by_accuracy(page, address, experiment_id)
            compare(page, names)
            page.screenshot(path="docs/figures/mlflow_compare.png")
            open_model(page, address, "skipcast")
            page.screenshot(path="docs/figures/mlflow_champion.png")
        browser.close()


if __name__ == "__main__":
    main()
