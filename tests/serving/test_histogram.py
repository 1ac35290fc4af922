"""Histograms of feature values, against numpy's."""

import numpy as np
import pytest

from skipcast.models.family import Dataset
from skipcast.serving import histogram
from skipcast.serving.histogram import BINS, PLACES, count, expected

FIRST = np.ones(1000, np.intp)  # the position of all plays


def reference(features, probability, positions, cuts=()):
    """Return the histograms of plays that are one part, or cut into several."""
    parts = np.split(features, cuts)
    rows = [len(part) for part in parts]
    nobody = np.zeros(len(features), bool)
    return histogram.reference(Dataset(parts, rows, nobody, positions, positions), probability)


@pytest.fixture
def values():
    """Return one feature of 1000 plays, of which 100 lack it."""
    values = np.random.default_rng(0).normal(size=(1000, 1)).astype(np.float32)
    values[:100] = np.nan
    return values


def test_bins_hold_about_equally_many_plays(values):
    counts = reference(values, np.full(1000, 0.5), FIRST)["counts"]
    assert counts[0][0] == [90] * BINS + [100]


def test_the_last_bin_holds_missing_values(values):
    edges = reference(values, np.full(1000, 0.5), FIRST)["edges"]
    assert count(np.full((3, 1), np.nan, np.float32), edges)[0].tolist() == [0] * BINS + [3]


def test_counts_are_those_of_numpys_histogram(values):
    edges = reference(values, np.full(1000, 0.5), FIRST)["edges"]
    shifted = values + np.float32(1)
    # numpy's bins hold their lower edge, ours the upper one
    inner = np.nextafter(np.float32(edges[0]), np.float32(np.inf))
    expected, _ = np.histogram(shifted[100:], [-np.inf, *inner, np.inf])
    assert count(shifted, edges)[0, :BINS].tolist() == expected.tolist()


def test_a_feature_of_few_values_has_few_edges():
    flags = np.array([[0], [0], [1], [1]], np.float32)
    assert reference(flags, np.full(4, 0.5), FIRST[:4])["edges"] == [[0, 1]]


def test_a_feature_that_is_always_missing_has_no_edge():
    missing = np.full((4, 1), np.nan, np.float32)
    result = reference(missing, np.full(4, 0.5), FIRST[:4])
    assert result["edges"] == [[]]
    assert result["counts"][0][0][BINS] == 4


@pytest.fixture
def by_position():
    """Return the reference of a flag that is 0 at position 1 and 1 at positions 2 and 3."""
    flags = np.array([[0], [1], [1], [1]], np.float32)
    return reference(flags, np.array([0.2, 0.4, 0.6, 0.9]), np.array([1, 2, 2, 3]))


def test_plays_and_probabilities_are_kept_by_position(by_position):
    assert by_position["plays"][:4] == [1, 2, 1, 0]
    assert by_position["probability"][:4] == [0.2, 1.0, 0.9, 0]


def test_what_is_expected_follows_the_positions(by_position):
    flags = expected(by_position, np.array([1, 2, 2, 2]))
    assert flags["counts"][0][:2] == [1, 3]
    assert flags["probability"] == pytest.approx(0.2 + 3 * 0.5)


def test_at_the_positions_of_training_training_is_expected(by_position):
    flags = expected(by_position, np.array([1, 2, 2, 3]))
    np.testing.assert_array_equal(flags["counts"], np.sum(by_position["counts"], axis=0))


def test_a_position_that_training_lacks_is_taken_for_the_nearest(by_position):
    assert expected(by_position, np.array([7]))["probability"] == 0.9


def test_late_positions_are_one(by_position):
    one, other = (expected(by_position, np.array([at])) for at in (PLACES, PLACES + 500))
    assert one == other


def test_no_play_expects_nothing(by_position):
    assert not np.any(expected(by_position, np.array([], np.intp))["counts"])


@pytest.mark.parametrize("sample", [50, 200_000])
@pytest.mark.parametrize("cuts", [[1, 400, 400, 999], [7]])
def test_parts_give_the_same_as_the_whole(monkeypatch, values, cuts, sample):
    monkeypatch.setattr(histogram, "SAMPLE", sample)
    probability = np.linspace(0, 1, 1000)
    positions = np.arange(1000) % 25 + 1
    whole, parts = (reference(values, probability, positions, cut) for cut in ((), cuts))
    assert parts == whole


def test_a_sample_decides_where_bins_end(monkeypatch):
    """Bins of a sample of many plays hold about as many plays each as those of all."""
    values = np.random.default_rng(0).random((50_000, 1)).astype(np.float32)
    monkeypatch.setattr(histogram, "SAMPLE", 5_000)
    positions = np.ones(len(values), np.intp)
    counts = reference(values, np.zeros(len(values)), positions)["counts"][0][0][:BINS]
    assert counts == pytest.approx([5_000] * BINS, rel=0.1)
    assert sum(counts) == len(values)
