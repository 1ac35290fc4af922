import numpy as np
from harness.family_checks import datasets, fit
from harness.models import dataset
from harness.models import fit as fit_by_name
from sklearn.linear_model import LogisticRegression

from skipcast.features.build import build_features
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


def test_the_arrays_answer_what_scikit_learns_pipeline_does(plays):
    train, validation = datasets(plays)
    scaling, scaled, _ = Logistic().prepare(train=train, validation=validation)
    theirs = LogisticRegression(solver="newton-cholesky").fit(scaled, train.skipped)
    expected = theirs.predict_proba(scaling.transform(train.features[0]))[:, 1]
    model = fit(Logistic(), (train, validation))
    np.testing.assert_allclose(Logistic().predict(model, train.features[0]), expected, atol=1e-5)


def test_the_strength_of_the_penalty_reaches_the_library():
    rng = np.random.default_rng(0)
    features = rng.normal(size=(200, 1)).astype(np.float32)
    plays = dataset(features, features[:, 0] > 0)
    weak, strong = (fit(Logistic(), (plays, plays), C=c).weight[0] for c in (100.0, 1e-4))
    assert strong < weak / 10
