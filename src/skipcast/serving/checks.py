"""Checks of a request's columns against each other."""

import numpy as np

from skipcast.arrays import Array, Bools
from skipcast.errors import SkipcastError
from skipcast.features.listener_counts import COLUMNS
from skipcast.reading.values import display
from skipcast.schema import ALIAS, LISTENER_COUNTS, names

LISTENED = frozenset(names(LISTENER_COUNTS))


def check_listener_counts(columns: dict[str, Array]) -> None:
    """Check that what a request tells of a listener's history comes together and can be.

    Raises:
        SkipcastError: of a key, skips or full listens come without plays or exceed them, or what
            the last plays were is told where there are none, or not where there are.
    """
    if LISTENED.isdisjoint(columns):
        return
    missing = np.full(len(columns["session_id"]), np.nan)
    for key in COLUMNS.values():
        plays, skips, heard, recent, skipped, at = (columns.get(name, missing) for name in key)
        is_given, is_played = ~np.isnan(plays), plays > 0
        together = f"given where {key[0]} is,"
        there = f"given where {key[0]} is above 0, and only there,"
        impossible = np.where(skipped == 1, skips == 0, (skipped == 0) & (skips == plays))
        rules = (
            (key[1], np.isnan(skips) == is_given, together),
            (key[2], np.isnan(heard) == is_given, together),
            (key[1], skips > plays, f"no more than {key[0]}"),
            (key[2], heard > plays - skips, f"no more than {key[0]} that were not skipped"),
            (key[3], np.isnan(recent) == is_played, there),
            (key[4], np.isnan(skipped) == is_played, there),
            (key[4], impossible, f"what {key[1]} allows"),
            (key[5], ~np.isnan(at) & ~is_played, f"null where {key[0]} is not above 0,"),
        )
        for name, wrong, rule in rules:
            if wrong.any():
                raise refuse(columns, wrong, f"{name} must be {rule}", name)


def refuse(columns: dict[str, Array], wrong: Bools, rule: str, name: str = ALIAS) -> SkipcastError:
    """Return the error about the first wrong row: the rule, and the value of a column there."""
    row = int(np.argmax(wrong))
    value = display(columns[name][row]) if name in columns else "null"
    return SkipcastError(
        f"{rule} but got {value} in row {row + 1} (session {display(columns['session_id'][row])}). "
        "Correct the request."
    )
