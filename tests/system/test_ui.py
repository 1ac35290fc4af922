"""The real MLflow UI in a real browser: what the README tells people to do to compare accuracy."""

import mlflow
import pytest
from harness.mlflow_ui import SIZE, compare, open_model, sort_by_accuracy, trials_in_order
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
    page = browser.new_page(viewport=SIZE)
    with tracking_server(tmp_path) as address:
        sort_by_accuracy(page, address, runs[0].info.experiment_id)
        for _ in range(30):
            shown = trials_in_order(page)
            if [accuracy[name] for name in shown] == expected:
                break
            page.wait_for_timeout(1000)
        assert [accuracy[name] for name in shown] == expected
        compare(page, shown[:2])
        for name in shown[:2]:
            expect(page.get_by_text(name).first).to_be_visible()
        for name in shown[:2]:
            expect(page.get_by_text(f"{accuracy[name]:.3f}"[:-1]).first).to_be_visible()
        open_model(page, address, "compared")
        expect(page.get_by_text("Version 1")).to_be_visible()
        expect(page.get_by_text("@ champion")).to_be_visible()
    page.close()
