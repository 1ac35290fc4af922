"""The real MLflow UI in a real browser: what the README tells people to do to compare accuracy."""

import mlflow
import pytest
from harness.mlflow_ui import SIZE, compare, open_champion, open_trials, trials_in_order
from harness.servers import tracking_server
from mlflow import MlflowClient
from playwright.sync_api import expect


@pytest.fixture
def compared(searched):
    """The search, its best model the champion of `compared`."""
    version = mlflow.register_model(searched.candidate.model_uri, "compared").version
    MlflowClient().set_registered_model_alias("compared", "champion", version)
    return searched


def test_a_person_compares_accuracy_and_finds_the_champion(browser, compared, tmp_path):
    runs = MlflowClient().search_runs(
        [MlflowClient().get_run(compared.run_id).info.experiment_id],
        "metrics.accuracy > 0",
        order_by=["metrics.accuracy DESC"],
    )
    expected = [round(run.data.metrics["accuracy"], 6) for run in runs]
    accuracy = {run.info.run_name: round(run.data.metrics["accuracy"], 6) for run in runs}
    context = browser.new_context(viewport=SIZE)
    with tracking_server(tmp_path) as address:
        page = open_trials(context.new_page(), address, "searched")
        for _ in range(30):
            shown = trials_in_order(page)
            if [accuracy[name] for name in shown] == expected:
                break
            page.wait_for_timeout(1000)
        assert [accuracy[name] for name in shown] == expected
        # The table shows the accuracy without a column to be picked, and where the models are.
        best = page.locator(".ag-row", has_text=f"{expected[0]:.6f}"[:-1])
        expect(best.first).to_be_visible()
        expect(page.get_by_role("link", name="compared").first).to_be_visible()
        compare(page, shown[:2])
        for name in shown[:2]:
            expect(page.get_by_text(name).first).to_be_visible()
        for name in shown[:2]:
            expect(page.get_by_text(f"{accuracy[name]:.3f}"[:-1]).first).to_be_visible()
        open_champion(page, address, "compared")
        expect(page.get_by_role("link", name="Model registry")).to_be_visible()
        expect(page.get_by_text("Version 1")).to_be_visible()
        expect(page.get_by_text("@ champion")).to_be_visible()
    context.close()
