import numpy as np
import pytest

from skipcast.models.newton import minimise


def hyperbola(point):
    """Newton's own steps from beyond 1 lead ever farther away."""
    (x,) = point
    root = np.hypot(1, x)
    return root, np.array([x / root]), np.array([[root**-3]])


@pytest.mark.parametrize("start", [0.0, 0.5, 2.0, -40.0])
def test_a_step_that_leads_up_is_halved(start):
    lowest = minimise(hyperbola, np.array([start]), tolerance=1e-12)
    np.testing.assert_allclose(lowest, 0, atol=1e-9)


def test_a_value_that_is_no_number_is_no_way_down():
    def half(point):
        value, *derivatives = hyperbola(point)
        return (value if point[0] > -1 else np.nan), *derivatives

    np.testing.assert_allclose(minimise(half, np.array([3.0]), tolerance=1e-12), 0, atol=1e-9)


def test_a_function_without_a_lowest_point_is_an_error():
    with pytest.raises(ArithmeticError, match="must be found"):
        minimise(lambda x: (-x[0], np.array([-1.0]), np.eye(1)), np.zeros(1), tolerance=1e-9)
