import json
from dataclasses import replace

import numpy as np
import pytest
import xgboost
from harness.family_checks import datasets, fit

from skipcast.models.xgboost import LOWEST, XGBoost


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


def test_a_missing_value_is_below_all_others(model, plays):
    features = datasets(plays)[1].features[0]
    filled = np.where(np.isnan(features), LOWEST, features)
    for answer in (XGBoost().predict, XGBoost().contributions):
        np.testing.assert_array_equal(answer(model, features), answer(model, filled))


@pytest.mark.parametrize("value", [LOWEST, 2 * LOWEST, np.finfo(np.float32).min])
def test_a_value_as_low_as_what_stands_for_missing_counts_as_missing(plays, value):
    """In training as in use: the model is the same, and so are its answers."""
    train, validation = datasets(plays)
    features = train.features[0]
    low = replace(train, features=[np.where(np.isnan(features), value, features)])
    model, other = (fit(XGBoost(), (each, validation)) for each in (train, low))
    expected = XGBoost().predict(model, features)
    np.testing.assert_array_equal(XGBoost().predict(other, low.features[0]), expected)


def test_a_model_that_learned_a_side_for_missing_values_sends_them_there(plays, tmp_path):
    """Files of models from before missing values were the lowest answer as they did."""
    train, validation = datasets(plays)
    data = xgboost.DMatrix(train.features[0], train.skipped)
    before = xgboost.train({"objective": "binary:logistic", "max_depth": 6}, data, 20)
    assert {0, 1} == {side for tree in sides(before) for side in tree}
    XGBoost().save(before, tmp_path / "classifier")
    after = XGBoost().load(tmp_path / "classifier", threads=1)
    features = validation.features[0]
    expected = before.inplace_predict(features).astype(np.float64)
    np.testing.assert_array_equal(XGBoost().predict(after, features), expected)
    XGBoost().save(after, tmp_path / "again")
    assert (tmp_path / "again").read_bytes() == (tmp_path / "classifier").read_bytes()


def sides(booster):
    model = json.loads(booster.save_raw("json"))["learner"]["gradient_booster"]["model"]
    return [tree["default_left"] for tree in model["trees"]]


def test_binned_plays_take_less_than_three_bytes_a_value(plays):
    """One missing value would make it five."""
    train, validation = datasets(plays, sessions=1000)
    assert np.isnan(train.features[0]).any()
    for data in XGBoost().prepare(train=train, validation=validation):
        assert data.num_nonmissing() == data.num_row() * data.num_col()
