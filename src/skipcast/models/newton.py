"""Newton's method: where a convex function is lowest."""

from collections.abc import Callable

import numpy as np

from skipcast.arrays import Floats

MOST_VALUES = 100  # plays that can be told apart perfectly need 20, most others 6

Function = Callable[[Floats], tuple[float, Floats, Floats]]
"""Returns the value at a point, the gradient, and the matrix of second derivatives."""


def minimise(function: Function, start: Floats, *, tolerance: float) -> Floats:
    """Return where a function is lowest.

    A step is halved until the value falls. The last step is the first one that promises to lower
    the value by no more than `tolerance` / 2: as each step squares the error of the one before,
    what is left is far below it.

    Args:
        function: its second derivatives are positive definite everywhere.
        start: any point.
        tolerance: above 0, and far above the rounding errors of the value.

    Raises:
        ArithmeticError: `MOST_VALUES` values did not lead to the lowest point.

    >>> bowl = lambda x: (float(x @ x), 2 * x, 2 * np.eye(2))
    >>> minimise(bowl, np.ones(2), tolerance=1e-9).round(9)
    array([0., 0.])
    """
    from scipy.linalg import cho_factor, cho_solve

    point, lowest = start, np.inf
    step: Floats = np.zeros_like(start)
    for _ in range(MOST_VALUES):
        value, gradient, curvature = function(point - step)
        if not value < lowest:
            step = step / 2
            continue
        point, lowest = point - step, value
        step = cho_solve(cho_factor(curvature), gradient)
        if step @ gradient <= tolerance:
            return point - step
    raise ArithmeticError(f"The lowest point must be found in {MOST_VALUES} steps but was not.")
