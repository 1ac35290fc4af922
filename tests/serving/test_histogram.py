"""Histograms of feature values, against numpy's."""

import numpy as np
import pytest

from skipcast.serving.histogram import BINS, count, reference


@pytest.fixture
def values():
    """Return one feature of 1000 plays, of which 100 lack it."""
    values = np.random.default_rng(0).normal(size=(1000, 1)).astype(np.float32)
    values[:100] = np.nan
    return values


def test_bins_hold_about_equally_many_plays(values):
    counts = reference(values, np.full(1000, 0.5))["counts"]
    assert counts[0] == [90] * BINS + [100]


def test_the_last_bin_holds_missing_values(values):
    edges = reference(values, np.full(1000, 0.5))["edges"]
    assert count(np.full((3, 1), np.nan, np.float32), edges)[0].tolist() == [0] * BINS + [3]


def test_counts_are_those_of_numpys_histogram(values):
    edges = reference(values, np.full(1000, 0.5))["edges"]
    shifted = values + np.float32(1)
    # numpy's bins hold their lower edge, ours the upper one
    inner = np.nextafter(np.float32(edges[0]), np.float32(np.inf))
    expected, _ = np.histogram(shifted[100:], [-np.inf, *inner, np.inf])
    assert count(shifted, edges)[0, :BINS].tolist() == expected.tolist()


def test_a_feature_of_few_values_has_few_edges():
    flags = np.array([[0], [0], [1], [1]], np.float32)
    assert reference(flags, np.full(4, 0.5))["edges"] == [[0, 1]]


def test_a_feature_that_is_always_missing_has_no_edge():
    missing = np.full((4, 1), np.nan, np.float32)
    result = reference(missing, np.full(4, 0.5))
    assert result["edges"] == [[]]
    assert result["counts"][0][BINS] == 4


def test_the_mean_probability_is_kept():
    features = np.zeros((2, 1), np.float32)
    assert reference(features, np.array([0.25, 0.75]))["mean_probability"] == 0.5
