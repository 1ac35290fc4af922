"""Checks of a request's columns against each other; each raises the error that `refuse` makes."""

import numpy as np

from skipcast.arrays import Array, Bools, Indices
from skipcast.errors import SkipcastError
from skipcast.features.listener_counts import COLUMNS
from skipcast.reading.values import display
from skipcast.schema import ALIAS, COUNTS, LISTENER_COUNTS, MOST_DEPTH, OUTCOMES, names

COUNTED = frozenset(names(COUNTS))
LISTENED = frozenset(names(LISTENER_COUNTS))


def check_open(columns: dict[str, Array], is_open: Bools, label: str) -> None:
    """Check that a play without the outcome `label` has no other outcome, either."""
    for name in OUTCOMES:
        if name != label and name in columns:
            wrong = is_open & ~np.isnan(columns[name])
            if wrong.any():
                raise refuse(columns, wrong, f"{name} must be null where {label} is", name)


def check_counts(columns: dict[str, Array]) -> None:
    """Check that counts come together, and no more skips or depth than the plays can have."""
    if COUNTED.isdisjoint(columns):
        return
    missing = np.full(len(columns["session_id"]), np.nan)
    counts = {name: columns.get(name, missing) for name in COUNTED}
    plays = counts["track_plays"]
    for name, most in (("track_skips", plays), ("track_depth", MOST_DEPTH * plays)):
        wrong = np.isnan(plays) != np.isnan(counts[name])
        if wrong.any():
            raise refuse(columns, wrong, f"{name} must be given where track_plays is,", name)
        wrong = counts[name] > most
        if wrong.any():
            rule = f"{name} must be no more than the track's plays can have"
            raise refuse(columns, wrong, rule, name)


def check_listener_counts(columns: dict[str, Array]) -> None:
    """Check that what a request tells of a listener's history comes together and can be."""
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


def check_lengths(columns: dict[str, Array]) -> None:
    """Check session_length, which says which plays are the second half."""
    name = "session_length"
    length = columns.get(name, np.full(len(columns["session_id"]), np.nan))
    session = columns["session_number"]
    wrong = np.isnan(length)
    if wrong.any():
        raise refuse(columns, wrong, f"{name} must be given for each play to this model", name)
    wrong = (length < columns["session_position"]) | (length != length[_first_row(session)])
    if wrong.any():
        rule = f"{name} must be the same for a session and no less than a session_position"
        raise refuse(columns, wrong, rule, name)


def check_same(columns: dict[str, Array], name: str) -> None:
    """Check that a column is the same in all rows of a session."""
    values = columns[name]
    wrong = values != values[_first_row(columns["session_number"])]
    if wrong.any():
        raise refuse(columns, wrong, f"{name} must be the same for a session", name)


def _first_row(session: Indices) -> Indices:
    """Return for each row the first row of its session."""
    return np.unique(session, return_index=True)[1][session]


def refuse(columns: dict[str, Array], wrong: Bools, rule: str, name: str = ALIAS) -> SkipcastError:
    """Return the error about the first wrong row: the rule, and the value of a column there."""
    row = int(np.argmax(wrong))
    value = display(columns[name][row]) if name in columns else "null"
    return SkipcastError(
        f"{rule} but got {value} in row {row + 1} (session {display(columns['session_id'][row])}). "
        "Correct the request."
    )
