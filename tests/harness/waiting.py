"""Waiting for what threads, processes and servers do; a busy machine may need long for it."""

from collections.abc import Callable

from skipcast.database import cluster

PATIENCE = 120  # seconds; only what never comes takes as long
STOP_SECONDS = 30  # in which what is told to end, or has nobody left, must have ended


def wait_until(
    is_true: Callable[[], object],
    seconds: float = PATIENCE,
    *,
    pause: float = cluster.WAIT_SECONDS,
    told: Callable[[], object] = str,
) -> None:
    """Return as soon as a condition holds.

    Args:
        is_true: the condition.
        seconds: after which it is no longer waited for.
        pause: seconds between two looks.
        told: called for what to say where it never holds.

    Raises:
        AssertionError: the condition did not hold in time.
    """
    assert cluster.wait_until(is_true, seconds, pause), told()
