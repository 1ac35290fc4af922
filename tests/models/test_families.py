import pickletools
import warnings

import numpy as np
import optuna
import pytest
from harness.models import fit
from sklearn.linear_model import LogisticRegression

from skipcast.evaluation.metrics import evaluate
from skipcast.features.build import build_features, feature_names
from skipcast.models.boosting import MAX_ROUNDS, PATIENCE
from skipcast.models.families import FAMILIES
from skipcast.models.family import Part

optuna.logging.set_verbosity(optuna.logging.WARNING)
BOOSTERS = ("lightgbm", "xgboost")


@pytest.fixture(scope="module")
def data(plays):
    return build_features(plays, "started").to_numpy(), plays["skip_2"].to_numpy()


@pytest.fixture(scope="module", params=FAMILIES)
def fitted(request, data):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        return request.param, fit(request.param, *data)


def test_a_loaded_model_answers_what_the_fitted_one_does(fitted, data, tmp_path):
    family, model = fitted
    FAMILIES[family].save(model, tmp_path / "classifier")
    loaded, predict = FAMILIES[family].load(tmp_path / "classifier", 1), FAMILIES[family].predict
    expected = predict(model, data[0])
    np.testing.assert_array_equal(predict(loaded, data[0]), expected)
    for rows in (slice(7, 8), slice(20, 40), slice(100, 165)):  # few share no sum with others
        np.testing.assert_array_equal(predict(loaded, data[0][rows]), expected[rows])
    assert evaluate(data[1], expected)["accuracy"] > 0.6


def test_a_saved_model_is_no_pickle(fitted, tmp_path):
    family, model = fitted
    FAMILIES[family].save(model, tmp_path / "classifier")
    content = (tmp_path / "classifier").read_bytes()
    with pytest.raises(ValueError, match=r"opcode|expected|not"):
        list(pickletools.genops(content))


def test_the_same_seed_gives_the_same_model(fitted, data):
    family, model = fitted
    again = fit(family, *data)
    one, two = (FAMILIES[family].predict(m, data[0]) for m in (model, again))
    np.testing.assert_array_equal(one, two)


@pytest.mark.parametrize("family", FAMILIES)
def test_defaults_are_within_the_search_space(family):
    study = optuna.create_study()
    defaults = FAMILIES[family].defaults({})
    study.enqueue_trial(defaults)
    assert FAMILIES[family].suggest(study.ask(), {}) == defaults


def test_a_narrowed_range_holds_draws_and_defaults():
    narrowed = {"num_leaves": (40, 50)}
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    drawn = [FAMILIES["lightgbm"].suggest(study.ask(), narrowed) for _ in range(20)]
    assert {params["num_leaves"] for params in drawn} <= set(range(40, 51))
    assert max(params["min_child_samples"] for params in drawn) > 50
    assert FAMILIES["lightgbm"].defaults(narrowed)["num_leaves"] == 40


def test_contributions_add_up_to_the_log_odds(fitted, data):
    family, model = fitted
    contributions = FAMILIES[family].contributions(model, data[0])
    assert contributions.shape == (len(data[0]), data[0].shape[1] + 1)
    probability = 1 / (1 + np.exp(-contributions.sum(axis=1)))
    np.testing.assert_allclose(probability, FAMILIES[family].predict(model, data[0]), atol=1e-5)


@pytest.mark.parametrize("family", BOOSTERS)
def test_boosting_stops_early_and_keeps_the_best_round(family, data):
    """On sessions of its own for validation the loss turns: the model must be that of the turn."""
    features, skipped = data
    train, validation = Part(features[::2], skipped[::2]), Part(features[1::2], skipped[1::2])
    losses = []
    methods = FAMILIES[family]
    model = methods.fit(
        methods.defaults({}) | {"learning_rate": 0.3},
        methods.prepare(train, validation),
        0,
        1,
        lambda number, loss: losses.append(loss),
    )
    assert np.argmin(losses) + 1 + PATIENCE == len(losses) < MAX_ROUNDS
    loss = evaluate(validation.skipped, methods.predict(model, validation.features))["log_loss"]
    assert loss == pytest.approx(min(losses), abs=1e-5)


@pytest.mark.parametrize("family", BOOSTERS)
def test_what_fits_share_changes_none_of_them(family, data):
    """A fit with other parameters before it on the same prepared data must leave no trace."""
    methods, part = FAMILIES[family], Part(*data)
    quiet = (0, 1, lambda number, loss: None)
    shared = methods.prepare(part, part)
    leaf = "min_child_samples" if family == "lightgbm" else "min_child_weight"
    methods.fit(methods.defaults({}) | {leaf: 200}, shared, *quiet)
    second = methods.fit(methods.defaults({}), shared, *quiet)
    alone = methods.fit(methods.defaults({}), methods.prepare(part, part), *quiet)
    one, two = (methods.predict(model, data[0]) for model in (second, alone))
    np.testing.assert_array_equal(one, two)


def test_logistic_takes_a_missing_history_as_a_fact_of_its_own(data):
    """What a missing value adds is learned, not what its mean or any number would add."""
    features, skipped = data
    first = np.isnan(features[:, feature_names("started").get_loc("previous_skipped")])
    column = features[:, [feature_names("started").get_loc("previous_skipped")]]
    always = fit("logistic", column, skipped | first)
    never = fit("logistic", column, skipped & ~first)
    high, low = (
        FAMILIES["logistic"].predict(model, column[first][:1]) for model in (always, never)
    )
    assert high[0] > 0.95
    assert low[0] < 0.05


def test_logistic_answers_what_scikit_learn_does(data):
    """The plain arrays against the pipeline that they were taken from."""
    features, skipped = data
    scaling, scaled, _ = FAMILIES["logistic"].prepare(Part(*data), Part(*data))
    theirs = LogisticRegression(solver="newton-cholesky").fit(scaled, skipped)
    expected = theirs.predict_proba(scaling.transform(features))[:, 1]
    got = FAMILIES["logistic"].predict(fit("logistic", *data), features)
    np.testing.assert_allclose(got, expected, atol=1e-5)
