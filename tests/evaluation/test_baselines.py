import numpy as np
import pandas as pd
import pytest

from skipcast.evaluation.baselines import (
    BASELINES,
    RECIPE,
    TRACK_LAST,
    best_rule,
    fit_recipe,
    look_up,
    majority,
    recipe,
    repeat_last,
    track_last,
)
from skipcast.evaluation.training import Training, predict
from skipcast.features.build import targets
from skipcast.params import Split
from skipcast.schema import REASON_START, TARGET
from skipcast.split import split_sessions

NAN = np.nan
RULES = [name for name, baseline in BASELINES.items() if baseline.kind == "rule"]
WITHOUT_LISTENERS = [name for name in BASELINES if name != "track_last"]


def test_the_majority_of_mostly_skipped_plays_is_a_skip():
    assert majority(2 / 3, 2).tolist() == [1, 1]


def test_the_majority_of_mostly_played_plays_is_no_skip():
    assert majority(1 / 3, 2).tolist() == [0, 0]


def test_the_last_outcome_is_repeated():
    assert repeat_last(0.6, np.array([1.0, 0.0])).tolist() == [1, 0]


def test_a_first_play_gets_the_majority():
    assert repeat_last(0.6, np.array([NAN])).tolist() == [1]


@pytest.mark.parametrize("key", ["appload", None, NAN])
def test_a_key_that_is_new_or_missing_predicts_the_rate_of_all(key):
    assert look_up(pd.Series({"fwdbtn": 1.0}), pd.Series([key]), 0.5).tolist() == [0.5]


def test_a_track_repeats_its_last_outcome_else_the_last_plays():
    last_time = pd.Series([True, False, None])
    assert track_last(last_time, np.array([0.0, 1.0, 1.0])).tolist() == [1, 0, 1]


def test_the_best_rule_is_not_learned():
    accuracy = {"majority": 0.5, "repeat_last": 0.7, "recipe": 0.8, "candidate": 0.9}
    assert best_rule(accuracy) == "repeat_last"


def test_the_recipe_learns_from_its_features():
    rng = np.random.default_rng(0)
    features = pd.DataFrame(rng.random((1000, len(RECIPE))), columns=list(RECIPE))
    skipped = features["previous_skipped"].to_numpy() > 0.5
    parts = [(features[:500], skipped[:500]), (features[500:800], skipped[500:800])]
    probability = recipe(fit_recipe(parts), features[800:])
    assert ((probability > 0.5) == skipped[800:]).mean() > 0.95


@pytest.fixture(scope="module")
def parts(plays):
    return split_sessions(plays, Split(validation=0.2, test=0.4, seed=0))


def baselines(plays, parts, horizon, cut=None):
    """Return what baselines predict for the test plays, having learned from one part or two."""
    counts = targets(plays, horizon)
    training = Training(horizon)
    session = pd.factorize(plays["session_id"])[0]
    for own in (session >= 0,) if cut is None else (session < cut, session >= cut):
        training.see(plays[own])
        training.count(plays[own], (counts & (parts == "train"))[own])
        learns = own & (parts == "train")
        training.add_recipe(plays[learns], counts[learns])
    test = parts == "test"
    return predict(
        training.learned(), plays[test], counts[test], names=training.names, horizon=horizon
    )


@pytest.mark.parametrize("horizon", ["started", "second_half"])
def test_two_parts_teach_the_same_as_one(plays, parts, horizon):
    one, two = (baselines(plays, parts, horizon, cut) for cut in (None, 30))
    assert list(one) == list(two)
    for name, probability in one.items():
        np.testing.assert_array_equal(two[name], probability)


def test_rates_are_those_of_the_training_plays(plays, parts):
    train, test = plays[parts == "train"], plays[parts == "test"]
    rates = train.groupby(REASON_START)[TARGET].mean()
    predicted = baselines(plays, parts, "started")["start_rate"]
    np.testing.assert_allclose(
        predicted, test[REASON_START].map(rates).fillna(train[TARGET].mean())
    )


def test_the_last_outcome_has_the_rates_of_its_three_values(plays, parts):
    train = plays[parts == "train"]
    before = train.groupby("session_id")[TARGET].shift()
    expected = [train[TARGET][rows].mean() for rows in (before.isna(), before == 1, before == 0)]
    predicted = baselines(plays, parts, "started")["last_outcome"]
    assert sorted(set(predicted)) == pytest.approx(sorted(expected))


@pytest.fixture(scope="module")
def predictions(plays, parts):
    return baselines(plays, parts, "started")


@pytest.fixture(scope="module")
def accuracy(plays, parts, predictions):
    skipped = plays.loc[parts == "test", TARGET].to_numpy()
    return {name: np.mean((p >= 0.5) == skipped) for name, p in predictions.items()}


def test_each_baseline_predicts_each_test_play(predictions, parts):
    lengths = {name: len(p) for name, p in predictions.items()}
    assert lengths == dict.fromkeys(WITHOUT_LISTENERS, (parts == "test").sum())


def test_plays_of_listeners_have_one_more(listeners_plays, parts):
    assert list(baselines(listeners_plays, parts, "started")) == list(BASELINES)


def test_what_the_horizon_does_not_know_makes_no_baseline(plays, parts):
    assert "start_rate" not in baselines(plays, parts, "queued")
    assert "start_rate" not in baselines(plays, parts, "second_half")


def test_a_column_without_any_value_makes_no_baseline(plays, parts):
    assert "start_rate" not in baselines(plays.assign(**{REASON_START: None}), parts, "started")


@pytest.fixture(scope="module")
def listeners_plays(plays):
    """Plays whose tracks the listener has played before, every second one; all were skipped."""
    return plays.assign(**{TRACK_LAST: [True if i % 2 else None for i in range(len(plays))]})


@pytest.mark.parametrize("name", RULES)
def test_a_rule_answers_0_or_1(listeners_plays, parts, name):
    assert set(baselines(listeners_plays, parts, "started")[name]) <= {0.0, 1.0}


def test_the_last_outcome_says_more_than_the_majority(accuracy):
    assert accuracy["majority"] < accuracy["repeat_last"] <= accuracy["last_outcome"] + 0.02


def test_the_recipe_is_better_than_chance(accuracy):
    assert accuracy["recipe"] > 0.65


def test_what_happened_in_the_test_sessions_does_not_reach_what_is_learned(
    plays, parts, predictions
):
    changed = plays.assign(**{TARGET: plays[TARGET] ^ (parts == "test")})
    majority_of_changed = baselines(changed, parts, "started")["majority"]
    assert majority_of_changed.tolist() == predictions["majority"].tolist()


def test_the_second_half_knows_the_last_outcome_of_the_first_half(plays, parts):
    repeated = baselines(plays, parts, "second_half")["repeat_last"]
    test = plays[parts == "test"]
    session = test[test["session_id"] == test["session_id"].iloc[0]]
    half = len(session) // 2
    last_of_first_half = float(session[TARGET].iloc[half - 1])
    assert set(repeated[: len(session) - half]) == {last_of_first_half}
