import numpy as np

from skipcast.evaluation.baselines import baselines, last_outcome, majority, repeat_last
from skipcast.evaluation.split import split_sessions
from skipcast.params import Split
from skipcast.schema import TARGET

NAN = np.nan


def test_rules():
    train = np.array([True, True, False])
    assert majority(train, 2).tolist() == [1, 1]
    assert majority(~train, 2).tolist() == [0, 0]
    assert repeat_last(train, np.array([NAN, 1, 0])).tolist() == [1, 1, 0]


def test_last_outcome_answers_the_rates_of_the_training_plays():
    train = np.array([True, False, True, True, False, False])
    previous = np.array([NAN, NAN, 1, 1, 1, 0])
    answer = last_outcome(train, previous, np.array([NAN, 1, 0]))
    np.testing.assert_allclose(answer, [1 / 2, 2 / 3, 0])


def test_all_are_learned_on_training_sessions_and_answer_the_test_plays(plays):
    parts = split_sessions(plays["session_id"], Split(validation=0.2, test=0.4, seed=0))
    got = baselines(plays, parts, "started")
    test = plays[parts == "test"]
    skipped = test[TARGET].to_numpy()
    right = {name: np.mean((p >= 0.5) == skipped) for name, p in got.items()}
    assert all(len(p) == len(test) for p in got.values())
    assert right["majority"] < right["repeat_last"] <= right["last_outcome"] + 0.02
    assert right["recipe"] > 0.65
    # What happened in the test sessions must not reach what is learned.
    changed = plays.assign(**{TARGET: plays[TARGET] ^ (parts == "test")})
    assert baselines(changed, parts, "started")["majority"].tolist() == got["majority"].tolist()


def test_the_second_half_knows_the_last_outcome_of_the_first(plays):
    parts = split_sessions(plays["session_id"], Split(validation=0.2, test=0.4, seed=0))
    got = baselines(plays, parts, "second_half")
    one = plays[parts == "test"]
    one = one[one["session_id"] == one["session_id"].iloc[0]]
    half = len(one) // 2
    assert got["repeat_last"][: len(one) - half].tolist() == [float(one[TARGET].iloc[half - 1])] * (
        len(one) - half
    )
