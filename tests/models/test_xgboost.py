import json

import numpy as np
import pytest
from harness.family_checks import datasets, fit

from skipcast.models.xgboost import XGBoost


@pytest.fixture(scope="module")
def model(plays):
    return fit(XGBoost(), datasets(plays))


def test_the_file_is_the_librarys_own_binary_json(model, tmp_path):
    XGBoost().save(model, tmp_path / "classifier")
    assert b"learner" in (tmp_path / "classifier").read_bytes()


def test_a_loaded_model_predicts_with_as_many_threads_as_asked(model, tmp_path):
    XGBoost().save(model, tmp_path / "classifier")
    config = json.loads(XGBoost().load(tmp_path / "classifier", threads=2).save_config())
    assert config["learner"]["generic_param"]["nthread"] == "2"


def test_rounds_after_the_best_are_not_kept(plays):
    losses = []
    train, validation = datasets(plays)
    model = XGBoost().fit(
        XGBoost().defaults({}),
        XGBoost().prepare(train=train, validation=validation),
        seed=0,
        threads=1,
        on_round=lambda learned, loss: losses.append(loss),
    )
    assert model.num_boosted_rounds() == losses.index(min(losses)) + 1


def test_parameters_reach_the_library(plays):
    model = fit(XGBoost(), datasets(plays), max_depth=3)
    assert all("\t\t\t\t" not in tree for tree in model.get_dump())


@pytest.mark.parametrize("rows", [slice(0, 1), slice(3, 500), slice(None, None, -7), slice(0, 0)])
@pytest.mark.parametrize("order", ["C", "F"])
def test_predicts_the_bits_of_the_librarys_own_prediction(model, plays, rows, order):
    features = np.asarray(datasets(plays)[1].features[0], order=order)[rows]
    expected = np.asarray(model.inplace_predict(features), np.float64)
    np.testing.assert_array_equal(XGBoost().predict(model, features), expected)


def test_features_of_another_number_are_refused(model, plays):
    with pytest.raises(ValueError, match="features but got 3"):
        XGBoost().predict(model, datasets(plays)[1].features[0][:, :3])
