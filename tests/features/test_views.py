import numpy as np
import pytest

from skipcast.features.columns import Columns
from skipcast.features.groups.signals import FORWARD, depth, listened, skipped
from skipcast.features.views import LookAheadError, Past, Present, divide
from skipcast.schema import HORIZONS, LOG, names

NAN = np.nan


def equal(values, expected):
    np.testing.assert_array_equal(values, np.array(expected, float))


@pytest.fixture
def past(three_plays):
    """Skipped, listened to, skipped; each after all before it."""
    three_plays["tempo"] = [100.0, 110.0, 130.0]
    return Past(Columns(three_plays), HORIZONS["started"])


@pytest.fixture
def first_half(three_plays):
    """Only the first of the three plays has ended."""
    three_plays["tempo"] = [100.0, 110.0, 130.0]
    return Past(Columns(three_plays), HORIZONS["second_half"])


@pytest.mark.parametrize("name", names(LOG))
def test_the_present_shows_no_column_that_is_not_declared(three_plays, name):
    present = Present(Columns(three_plays), frozenset({"tempo"}))
    for read in (lambda: present[name], lambda: present.matrix(("tempo", name))):
        with pytest.raises(LookAheadError, match=name):
            read()


def test_the_present_shows_declared_columns_in_three_shapes(three_plays):
    present = Present(Columns(three_plays), frozenset({"tempo", "valence"}))
    equal(present["tempo"], [0.1, 0.2, 0.3])
    assert present.matrix(("tempo", "valence")).shape == (3, 2)
    assert present.rows(("tempo", "valence")).shape == (2, 3)


def test_a_column_of_the_past_is_that_of_the_play_before(past):
    equal(past["skip_2"], [NAN, 1, 0])


def test_an_outcome_of_the_second_half_is_never_shown(first_half):
    equal(first_half["skip_2"], [NAN, 1, 1])


def test_a_track_of_the_second_half_is_known_in_advance(first_half):
    equal(first_half["tempo"], [NAN, 100, 110])
    equal(first_half.rows(("tempo",)), [[NAN, 100, 110]])


def test_rows_of_what_is_not_known_in_advance_are_refused(past):
    with pytest.raises(LookAheadError, match="skip_2"):
        past.rows(("skip_2",))


def test_count_is_the_number_of_plays_that_ended(past, first_half):
    equal(past.count, [0, 1, 2])
    equal(first_half.count, [0, 1, 1])


def test_plays_that_share_their_history_are_answered_once(past, first_half):
    equal(first_half.once.count, [0, 1])
    equal(first_half.each(first_half.once.lags(depth, 1)), first_half.lags(depth, 1))
    assert past.once is past  # each play has a history of its own
    equal(past.each(past.lags(depth, 1)), past.lags(depth, 1))


@pytest.mark.parametrize(
    "read",
    [
        lambda once: once["tempo"],
        lambda once: once.rows(("tempo",)),
        lambda once: once.same_track(skipped),
    ],
)
def test_what_differs_between_plays_of_one_history_must_be_declared(first_half, read):
    read(first_half)
    with pytest.raises(LookAheadError, match="of the position before must be declared"):
        read(first_half.once)


def test_lags_count_plays_that_ended(past, first_half):
    equal(past.lags(depth, 2), [[NAN, NAN], [0, NAN], [4, 0]])
    equal(first_half.lags(depth, 1), [[NAN], [0], [0]])


def test_lags_are_the_last_first(past):
    equal(past.lags(skipped, 2), [[NAN, NAN], [1, NAN], [0, 1]])


def test_totals_count_a_missing_value_as_nothing(three_plays):
    three_plays["skip_2"] = np.array([1, NAN, 1])
    past = Past(Columns(three_plays), HORIZONS["started"])
    equal(past.totals((skipped,)), [[0, 1, 1]])


def test_rates_leave_a_missing_value_out(three_plays):
    three_plays["hist_user_behavior_reason_end"] = ["fwdbtn", None, "fwdbtn"]
    past = Past(Columns(three_plays), HORIZONS["started"])
    equal(past.rates((FORWARD,)), [[NAN, 1, 1]])


def test_since_counts_plays_back_to_the_last_one(past, first_half):
    equal(past.since(skipped), [NAN, 1, 2])
    equal(first_half.since(skipped), [NAN, 1, 1])


def test_latest_is_of_the_last_play_where_the_signal_is_one(past):
    equal(past.latest(("tempo",), skipped), [[NAN], [100], [100]])


def test_means_are_over_the_plays_where_the_signal_is_one(three_plays):
    three_plays["skip_2"] = True
    three_plays["tempo"] = [100.0, 110.0, 130.0]
    past = Past(Columns(three_plays), HORIZONS["started"])
    means = past.means((("tempo",), ("valence",)), (skipped,))
    equal(means[skipped, ("tempo",)], [[NAN], [100], [105]])


def test_means_of_several_signals_are_apart(past):
    means = past.means((("tempo",),), (skipped, listened))
    equal(means[skipped, ("tempo",)], [[NAN], [100], [100]])
    equal(means[listened, ("tempo",)], [[NAN], [NAN], [110]])


def test_a_play_that_lacks_a_column_does_not_count_for_its_set(three_plays):
    three_plays["skip_2"] = True
    three_plays["tempo"] = [100.0, NAN, 130.0]
    past = Past(Columns(three_plays), HORIZONS["started"])
    means = past.means((("tempo", "energy"), ("valence",)), (skipped,))
    equal(means[skipped, ("tempo", "energy")][:, 0], [NAN, 100, 100])
    np.testing.assert_allclose(means[skipped, ("valence",)][:, 0], [NAN, 0.1, 0.15], rtol=1e-5)


def test_same_track_is_the_last_play_of_the_present_track(three_plays):
    three_plays["track_id_clean"] = ["a", "b", "a"]
    past = Past(Columns(three_plays), HORIZONS["started"])
    equal(past.same_track(skipped), [NAN, NAN, 1])


def test_a_signal_is_computed_once_for_all_that_ask(three_plays):
    calls = []

    def signal(plays):
        calls.append(1)
        return plays["skip_2"]

    past = Past(Columns(three_plays), HORIZONS["started"])
    past.totals((signal,)), past.since(signal), past.lags(signal, 1)
    assert len(calls) == 1


def test_divide_by_nothing_is_missing():
    equal(divide(np.array([1.0, 1.0]), np.array([4.0, 0.0])), [0.25, NAN])
