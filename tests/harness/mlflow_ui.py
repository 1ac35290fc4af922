"""The MLflow UI as a person uses it to compare accuracy; tests and the README's pictures share it.

`PYTHONPATH=tests python -m harness.mlflow_ui` in the root of the project, after `make run`,
takes the pictures anew.
"""

import re
import shutil
from pathlib import Path

from playwright.sync_api import Page, ViewportSize, expect

from harness.servers import tracking_server
from skipcast.mlflow_store.screen import champion_page

SECONDS = 120
SIZE: ViewportSize = {"width": 1400, "height": 860}
WIDE: ViewportSize = {"width": 2800, "height": 860}  # or a person scrolls to the right


def open_trials(page: Page, address: str, experiment: str) -> Page:
    """Do as a first visitor does: find the experiment, follow its description to the trials.

    Returns:
        The page that opens, where the most accurate trial is the first.
    """
    page.set_default_timeout(SECONDS * 1000)
    tour = page.get_by_role("button", name="Got it")
    page.add_locator_handler(tour, tour.click)
    page.goto(f"{address}/#/experiments")
    page.get_by_placeholder("Search experiments").fill(experiment)
    page.keyboard.press("Enter")
    page.get_by_role("link", name=experiment, exact=True).click()
    with page.expect_popup() as opened:
        page.get_by_role("link", name="the trials by accuracy").click()
    trials: Page = opened.value
    trials.set_default_timeout(SECONDS * 1000)
    trials.set_viewport_size(SIZE)
    expect(trials.get_by_role("button", name="Sort: accuracy")).to_be_visible(
        timeout=SECONDS * 1000
    )
    trials.get_by_role("button", name="Close").last.click()  # the assistant, which hides columns
    return trials


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


def open_models(trials: Page) -> None:
    """Go from the trials to the models that the search has logged, all columns in sight."""
    trials.set_viewport_size(WIDE)
    trials.get_by_role("link", name="Models", exact=True).click()
    trials.get_by_role("button", name="Sort: Created").wait_for()


def open_champion(page: Page, address: str, model: str) -> None:
    """Open a registered model."""
    page.goto(f"{address}/{champion_page(model)}")
    page.get_by_text("champion").first.wait_for()


def main() -> None:
    """Take the README's three pictures of the runs of `make run`."""
    import json
    import tempfile

    from mlflow import MlflowClient
    from playwright.sync_api import sync_playwright

    result = json.loads(Path("data/search.json").read_text())
    client = MlflowClient()
    names = [client.get_run(best["run_id"]).info.run_name for best in result["families"].values()]
    experiment_id = client.get_run(result["run_id"]).info.experiment_id
    experiment = client.get_experiment(experiment_id).name
    with sync_playwright() as playwright, tempfile.TemporaryDirectory() as folder:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"))
        page = browser.new_page(viewport=SIZE)
        with tracking_server(Path(folder)) as address:
            trials = open_trials(page, address, experiment)
            trials_in_order(trials)
            trials.screenshot(path="docs/figures/mlflow_trials.png")
            compare(trials, names)
            trials.screenshot(path="docs/figures/mlflow_compare.png")
            open_champion(trials, address, "skipcast")
            trials.screenshot(path="docs/figures/mlflow_champion.png")
        browser.close()


if __name__ == "__main__":
    main()
