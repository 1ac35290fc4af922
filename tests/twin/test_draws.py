import numpy as np
import pytest

from skipcast.twin.draws import even, even_in_groups, pick


def rng():
    return np.random.default_rng(0)


def test_even_draws_are_one_in_each_nth_of_the_interval():
    assert sorted((even(rng(), 100) * 100).astype(int)) == list(range(100))


def test_even_draws_are_in_random_order():
    numbers = even(rng(), 100)
    assert abs(np.corrcoef(numbers, np.arange(100))[0, 1]) < 0.3


def test_a_small_group_gets_even_numbers_of_its_own():
    group = np.repeat([0, 1], [1000, 20])
    numbers = even_in_groups(group, np.arange(1020.0), rng())
    assert np.mean(numbers[group == 1] < 0.5) == pytest.approx(0.5, abs=0.05)


def test_numbers_in_groups_never_are_0_or_1():
    numbers = even_in_groups(np.zeros(10_000, int), np.arange(10_000.0), rng())
    assert numbers.min() > 0
    assert numbers.max() < 1


def test_picks_occur_with_their_shares():
    shares = np.array([0.2, 0.5, 0.3])
    assert np.bincount(pick(even(rng(), 100), shares)).tolist() == [20, 50, 30]


def test_each_row_of_shares_picks_for_its_own_number():
    shares = np.array([[1.0, 0.0], [0.0, 1.0]])
    assert pick(np.array([0.5, 0.5]), shares).tolist() == [0, 1]
