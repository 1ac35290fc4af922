import pytest
from harness.family_checks import datasets, fit

from skipcast.models.lightgbm import LightGBM


@pytest.fixture(scope="module")
def model(plays):
    return fit(LightGBM(), datasets(plays))


def test_the_file_is_the_librarys_own_text(model, tmp_path):
    LightGBM().save(model, tmp_path / "classifier")
    assert (tmp_path / "classifier").read_text().startswith("tree\n")


def test_a_loaded_model_predicts_with_as_many_threads_as_asked(model, tmp_path):
    LightGBM().save(model, tmp_path / "classifier")
    assert LightGBM().load(tmp_path / "classifier", threads=2).params["num_threads"] == 2


def test_parameters_reach_the_library(plays):
    model = fit(LightGBM(), datasets(plays), num_leaves=7)
    assert max(tree["num_leaves"] for tree in model.dump_model()["tree_info"]) == 7
