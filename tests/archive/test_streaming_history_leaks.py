"""What is known of a play when it starts does not depend on how it goes on.

Each check is also tried on a reader that was made wrong on purpose: there it must fail.
"""

import json
from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
from harness.exports import Row, make_play

from skipcast.archive import history_plays
from skipcast.archive.streaming_history import read_history
from skipcast.column import Known
from skipcast.schema import LOG, OUTCOMES

STARTED = [column.name for column in LOG if column.known <= Known.STARTED]
NEEDS_START = [
    *("started_at", "hour_of_day", "date"),
    *(f"{pause}_pause_before_play" for pause in ("no", "short", "long")),
]
UNKNOWN = {"offline_timestamp": None}
SESSION = [
    make_play(200, 200, "clickrow", "trackdone", track=1),
    make_play(400, 195, "trackdone", "trackdone", track=2),
    make_play(450, 40, "trackdone", "fwdbtn", track=3) | UNKNOWN,
    make_play(700, 200, "fwdbtn", "endplay", track=4),
    make_play(900, 100, "clickrow", "logout", track=5) | UNKNOWN,
    make_play(1200, 280, "appload", "trackdone", track=6),
]
LATER = [make_play(90_000 + 300 * i, 250, track=i) for i in range(3)]
ROWS = [*SESSION, *LATER]
PLAYS = range(1, len(SESSION))  # of a session's first play, pauses are missing
# Seconds by which a play ends later and is played longer; label and session stay.
CHANGES = [(15, 15), (15, 0), (0, 3), (0, -3), (-3, -3), (40, 10)]

Read = Callable[[list[Row]], pd.DataFrame]


@pytest.fixture
def read(tmp_path) -> Read:
    def read(rows: list[Row]) -> pd.DataFrame:
        path = tmp_path / "endsong_0.json"
        path.write_text(json.dumps(rows))
        return read_history(path).plays

    return read


def differing(one: pd.DataFrame, other: pd.DataFrame, columns: list[str]) -> set[str]:
    """Return the columns in which two tables differ."""
    one, other = (table[columns].astype(object).fillna("null") for table in (one, other))
    return {name for name in columns if one[name].tolist() != other[name].tolist()}


def knows_its_end(read: Read) -> set[str]:
    """Return the columns that change, of a play that starts, where only its end does."""
    plays = read(ROWS)
    found = set()
    for place in PLAYS:
        for later, longer in CHANGES:
            row = ROWS[place]
            ended = pd.Timestamp(row["ts"]) + pd.Timedelta(seconds=later)
            end = {"ts": ended.isoformat(), "ms_played": row["ms_played"] + 1000 * longer}
            changed = read([*ROWS[:place], row | end, *ROWS[place + 1 :]])
            same = ["session_id", *OUTCOMES]
            assert not differing(plays.loc[[place]], changed.loc[[place]], same)
            found |= differing(plays.loc[[place]], changed.loc[[place]], STARTED)
    return found


def knows_what_follows(read: Read) -> set[str]:
    """Return the columns that change, of plays that have started, without the later ones."""
    plays = read(ROWS)
    found = set()
    for place in range(1, len(ROWS)):
        found |= differing(plays[:place], read(ROWS[:place]), STARTED)
    return found


def knows_the_flag(read: Read) -> set[str]:
    """Return the columns that change where `skipped` does."""
    plays = read(ROWS)
    flags = (True, False, None)
    changed = (read([row | {"skipped": flag} for row in ROWS]) for flag in flags)
    return set().union(*(differing(plays, other, [*plays]) for other in changed))


def knows_an_unknown_start(read: Read) -> set[str]:
    """Return the columns that are given of a play whose start is unknown."""
    plays = read([row | UNKNOWN for row in ROWS])
    return {name for name in NEEDS_START if plays[name].notna().any()}


def test_no_column_knows_the_end_of_its_play(read):
    assert knows_its_end(read) == set()


def test_no_column_knows_later_plays(read):
    assert knows_what_follows(read) == set()


def test_no_column_knows_the_flag_of_skips(read):
    assert knows_the_flag(read) == set()


def test_no_column_knows_an_unknown_start(read):
    assert knows_an_unknown_start(read) == set()


# Wrong on purpose


def test_a_gap_from_the_end_of_the_present_play_is_found(read, monkeypatch):
    right = history_plays.pauses
    monkeypatch.setattr(history_plays, "pauses", lambda _, ended, first: right(ended, ended, first))
    assert "long_pause_before_play" in knows_its_end(read)


def test_a_start_from_the_time_played_is_found(read, monkeypatch):
    monkeypatch.setattr(history_plays, "known_starts", lambda ended, played, _: ended - played)
    assert "started_at" in knows_its_end(read)
    assert knows_an_unknown_start(read) == set(NEEDS_START)


def test_pauses_where_the_start_is_unknown_are_found(read, monkeypatch):
    right = history_plays.pauses

    def wrong(start, ended, is_first):
        return right(np.where(np.isnan(start), ended - 60, start), ended, is_first)

    monkeypatch.setattr(history_plays, "pauses", wrong)
    assert "short_pause_before_play" in knows_its_end(read)
    assert knows_an_unknown_start(read) == set(NEEDS_START[3:])


def plant(monkeypatch, name: str, compute: Callable[[pd.DataFrame, pd.DataFrame], object]) -> None:
    """Make a column of the plays from the rows and from what else there is of the plays."""
    right = history_plays.describe_plays

    def wrong(rows, *args, **kwargs):
        plays = right(rows, *args, **kwargs)
        return plays.assign(**{name: compute(rows, plays)})

    monkeypatch.setattr("skipcast.archive.streaming_history.describe_plays", wrong)


def test_the_time_played_is_found(read, monkeypatch):
    plant(monkeypatch, "context_switch", lambda rows, _: rows["ms_played"] // 1000)
    assert knows_its_end(read) == {"context_switch"}


def test_the_length_of_the_session_is_found(read, monkeypatch):
    plant(monkeypatch, "context_switch", lambda _, plays: plays["session_length"])
    assert knows_what_follows(read) == {"context_switch"}


def test_a_label_from_the_flag_is_found(read):
    def wrong(rows: list[Row]) -> pd.DataFrame:
        return read(rows).assign(skip_3=[row["skipped"] for row in rows])

    assert knows_the_flag(wrong) == {"skip_3"}
