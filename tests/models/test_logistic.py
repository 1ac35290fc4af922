from dataclasses import asdict, replace
from unittest.mock import patch

import numpy as np
import pytest
from harness.family_checks import datasets, fit
from harness.models import dataset
from harness.models import fit as fit_by_name
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skipcast.features.build import build_features
from skipcast.models import design
from skipcast.models.logistic import Linear, Logistic


def test_three_plays_by_hand():
    """Log-odds 0.5 + (x - 1) * 2, or 0.5 - 3 where x is missing."""
    one = np.ones(1)
    model = Linear(mean=one, weight=2 * one, offset=0 * one, missing=-3 * one, base=0.5 * one)
    features = np.array([[1.0], [2.0], [np.nan]], np.float32)
    log_odds = np.array([0.5, 2.5, -2.5])
    np.testing.assert_allclose(Logistic().predict(model, features), 1 / (1 + np.exp(-log_odds)))
    expected = [[0, 0.5], [2, 0.5], [-3, 0.5]]
    np.testing.assert_array_equal(Logistic().contributions(model, features), expected)


def test_extreme_log_odds_do_not_overflow():
    one = np.ones(1)
    model = Linear(mean=0 * one, weight=one, offset=0 * one, missing=0 * one, base=0 * one)
    with np.errstate(all="raise", under="ignore"):
        probability = Logistic().predict(model, np.array([[1e6], [-1e6]], np.float32))
    np.testing.assert_array_equal(probability, [1, 0])


def test_a_missing_history_is_a_fact_of_its_own(plays):
    """What a missing value adds is learned; it is not what the mean or any number would add."""
    column = build_features(plays, "started")[["previous_skipped"]].to_numpy()
    first, skipped = np.isnan(column[:, 0]), plays["skip_2"].to_numpy()
    always = fit_by_name("logistic", column, skipped | first)
    never = fit_by_name("logistic", column, skipped & ~first)
    high, low = (Logistic().predict(model, column[first][:1]) for model in (always, never))
    assert high[0] > 0.95
    assert low[0] < 0.05


def scikit_learns(features, skipped, **params):
    """Return the same model by scikit-learn, in one piece: what it fits on, and what it fitted."""
    imputer = SimpleImputer(strategy="mean", add_indicator=True, keep_empty_features=True)
    scaling = make_pipeline(imputer, StandardScaler())
    scaled = scaling.fit_transform(features.astype(np.float64))
    model = LogisticRegression(solver="newton-cholesky", tol=1e-10, max_iter=1000, **params)
    return scaling, model.fit(scaled, skipped)


def log_odds(model, features):
    return model.terms(features).sum(axis=1) + model.base


@pytest.mark.parametrize("strength", [1e-4, 1.0, 100.0])
def test_the_model_is_scikit_learns(plays, strength):
    train, validation = datasets(plays)
    scaling, theirs = scikit_learns(train.features[0], train.skipped, C=strength)
    model = fit(Logistic(), (train, validation), C=strength)
    for features in (train.features[0], validation.features[0]):
        expected = theirs.decision_function(scaling.transform(features.astype(np.float64)))
        np.testing.assert_allclose(log_odds(model, features), expected, atol=1e-7)


def test_plays_that_a_feature_tells_apart_have_a_model(three_kinds):
    features, skipped = three_kinds
    features[:, 0] = skipped * 2 - 1
    scaling, theirs = scikit_learns(features, skipped, C=100.0)
    model = fit_by_name("logistic", features, skipped, C=100.0)
    expected = theirs.decision_function(scaling.transform(features.astype(np.float64)))
    np.testing.assert_allclose(log_odds(model, features), expected, atol=1e-6)


@pytest.fixture
def three_kinds():
    """Return features that are always there, at times missing, and missing together."""
    rng = np.random.default_rng(0)
    features = rng.normal(size=(3000, 4)).astype(np.float32)
    skipped = features.sum(axis=1) + rng.normal(size=3000) > 0
    features[rng.random(3000) < 0.2, 1] = np.nan
    features[rng.random(3000) < 0.2, 2:] = np.nan
    return features, skipped


@pytest.mark.parametrize(
    "column",
    [np.full(3000, np.nan), np.full(3000, 0.1), np.where(np.arange(3000) < 9, np.nan, 0.1)],
    ids=["always missing", "one value", "one value or missing"],
)
def test_a_feature_that_tells_nothing_gets_no_weight(three_kinds, column):
    features, skipped = three_kinds
    model = fit_by_name("logistic", np.column_stack([features, column.astype(np.float32)]), skipped)
    assert model.weight[-1] == 0
    assert (model.missing[-1] != 0) == (0 < np.isnan(column).sum() < 3000)


def test_features_missing_together_share_what_missing_adds(three_kinds):
    features, skipped = three_kinds
    model = fit_by_name("logistic", features, skipped | np.isnan(features[:, 3]))
    assert model.missing[2] == model.missing[3] > 10 * abs(model.missing[1])


def test_values_far_from_zero_lose_no_digits(three_kinds):
    """As dates in seconds would be: the numbers are 10,000 times their distances."""
    features, skipped = three_kinds
    features = np.round(features * 16) / 16
    near, far = (
        fit_by_name("logistic", values.astype(np.float32), skipped)
        for values in (features, features + 1e5)
    )
    np.testing.assert_allclose(
        log_odds(far, features + 1e5), log_odds(near, features), rtol=0, atol=1e-9
    )


@given(ends=st.lists(st.integers(0, 3000), max_size=7).map(sorted), chunk=st.integers(1, 4000))
@settings(
    max_examples=10,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
def test_no_cut_into_parts_changes_a_bit(three_kinds, ends, chunk):
    features, skipped = three_kinds
    whole = dataset(features, skipped)
    rows = np.diff([0, *ends, 3000])
    cut = replace(whole, features=np.split(features, ends), rows=[int(count) for count in rows])
    with patch.object(design, "CHUNK", chunk + 100):
        one, other = (asdict(fit(Logistic(), (plays, plays))) for plays in (whole, cut))
    for name, array in one.items():
        np.testing.assert_array_equal(other[name], array)


def test_the_strength_of_the_penalty_reaches_the_library():
    rng = np.random.default_rng(0)
    features = rng.normal(size=(200, 1)).astype(np.float32)
    plays = dataset(features, features[:, 0] > 0)
    weak, strong = (fit(Logistic(), (plays, plays), C=c).weight[0] for c in (100.0, 1e-4))
    assert strong < weak / 10
