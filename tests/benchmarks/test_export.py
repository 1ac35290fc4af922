"""Models and rules come in the order on synthetic exports in which they come on real histories."""

import pytest
from export import measure

ORDER = ("majority", "same as the last play", "session features", "and the listener's history")


@pytest.fixture(scope="module")
def figures() -> dict[str, float]:
    return measure(0, 40_000)


@pytest.mark.parametrize("label", ["brief", "any"])
def test_the_order_is_that_of_real_histories(figures, label):
    accuracy = [figures[f"{label}: {name}"] for name in ORDER]
    assert accuracy == sorted(accuracy)
