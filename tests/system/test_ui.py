"""The real MLflow UI in a real browser: what the README tells people to do to compare accuracy."""

import re

import mlflow
import pytest
from harness.mlflow_ui import (
    SIZE,
    compare,
    open_champion,
    open_models,
    open_trials,
    trials_in_order,
)
from harness.searches import small_params
from harness.servers import tracking_server
from mlflow import MlflowClient
from playwright.sync_api import expect

from skipcast.mlflow_store.datasets import dataset
from skipcast.promotion.ledger import Entry, Ledger, ModelScores

WAIT = 60_000  # ms for a page to fetch what it shows


@pytest.fixture(scope="module")
def compared(searched):
    """The search, its best model the champion of `compared`."""
    version = mlflow.register_model(searched.candidate.model_uri, "compared").version
    MlflowClient().set_registered_model_alias("compared", "champion", version)
    return searched


@pytest.fixture(scope="module")
def scored(compared):
    """The accuracy on the test sessions of each model of the search, as a promotion logs it."""
    accuracy = {
        best.model_uri.removeprefix("models:/"): 0.6123 + place / 100
        for place, best in enumerate(compared.families.values())
    }
    scores = ModelScores(
        dataset("test", "77", small_params("searched").split),
        {model_id: {"accuracy": value, "log_loss": 0.5} for model_id, value in accuracy.items()},
        {"majority": {"accuracy": 0.5}},
    )
    with Ledger("compared", MlflowClient()).write(Entry("promoted", 1, None, "."), scores=scores):
        return accuracy


@pytest.fixture(scope="module")
def address(compared, scored, tmp_path_factory):
    """Where MLflow serves the search and the promotion."""
    with tracking_server(tmp_path_factory.mktemp("ui")) as url:
        yield url


@pytest.fixture
def page(browser):
    context = browser.new_context(viewport=SIZE)
    yield context.new_page()
    context.close()


def test_a_person_compares_accuracy_and_finds_the_champion(page, address, compared):
    runs = MlflowClient().search_runs(
        [MlflowClient().get_run(compared.run_id).info.experiment_id],
        "metrics.accuracy > 0",
        order_by=["metrics.accuracy DESC"],
    )
    expected = [round(run.data.metrics["accuracy"], 6) for run in runs]
    accuracy = {run.info.run_name: round(run.data.metrics["accuracy"], 6) for run in runs}
    page = open_trials(page, address, "searched")
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


def test_a_person_finds_test_accuracy_beside_the_data_set(page, address, scored):
    page = open_trials(page, address, "searched")
    open_models(page)
    expect(page.get_by_text(re.compile(r"Dataset:\s*test \(#"))).to_be_visible(timeout=WAIT)
    column = page.locator(
        '.ag-header-cell[col-id*=\'"metricKey":"accuracy","datasetName":"test"\']'
    )
    expect(column).to_have_text("accuracy")
    for value in scored.values():
        cell = page.locator('.ag-cell[col-id*="accuracy"][col-id*="test"]', has_text=f"{value:.4f}")
        expect(cell).to_be_visible()
    model_id, value = next(iter(scored.items()))
    page.locator(f'a[href*="{model_id}"]').first.click()
    row = page.get_by_role("row", name=re.compile(r"^accuracy test \(#\w+\) promoted 1"))
    expect(row).to_contain_text(f"{value:.4f}", timeout=WAIT)
