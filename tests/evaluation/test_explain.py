import numpy as np
import pytest
from harness.models import fit

from skipcast.evaluation.explain import Explained, explain

NAMES = ("strong", "none", "missing")


@pytest.fixture(scope="module")
def features():
    rng = np.random.default_rng(0)
    features = rng.standard_normal((1500, 3)).astype(np.float32)
    features[:, 1] = 0.0  # a constant can move nothing
    features[::2, 2] = np.nan
    return features


@pytest.fixture(scope="module")
def model(features):
    return fit("logistic", features, features[:, 0] > 0)


def test_importance_is_the_mean_absolute_contribution():
    explained = Explained("logistic", ("a", "b"), np.zeros((2, 2)), np.array([[1.0, 0], [-3, 1]]))
    assert explained.importance.tolist() == [2.0, 0.5]


def test_top_features_are_those_of_highest_importance():
    explained = Explained("logistic", ("a", "b"), np.zeros((1, 2)), np.array([[0.5, -1.0]]))
    assert explained.top(1) == ["b"]


def test_explains_the_plays_that_it_gets(model, features):
    explained = explain("logistic", model, features[:7], NAMES)
    np.testing.assert_array_equal(explained.values, features[:7])


def test_each_feature_of_each_play_has_a_contribution(model, features):
    explained = explain("logistic", model, features, NAMES)
    assert explained.contributions.shape == explained.values.shape
    assert not np.isnan(explained.contributions).any()


def test_the_feature_that_decides_is_on_top(model, features):
    assert explain("logistic", model, features, NAMES).top(1) == ["strong"]


def test_a_feature_that_never_varies_has_no_importance(model, features):
    assert explain("logistic", model, features, NAMES).importance[1] == 0
