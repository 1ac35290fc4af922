"""The statistics of plays that are written by hand."""

import pandas as pd
import pytest

from skipcast.twin import export_statistics
from skipcast.twin.export_statistics import measure, published, with_outcomes

LENGTHS = {"s": 5.0, "l": 60.0, "d": 200.0, "c": 20.0}
ENDS = {"s": "fwdbtn", "l": "endplay", "d": "trackdone", "c": "logout"}


def listen(outcomes: str, tracks: str | None = None, *, listener: str = "a") -> pd.DataFrame:
    """Write a session by hand: a letter per play, s skipped, l late, d done, c cut by the app."""
    seconds = [LENGTHS[x] for x in outcomes]
    return pd.DataFrame(
        {
            "listener": listener,
            "ended": pd.Series(seconds).cumsum() + 1.6e9,
            "started": float("nan"),
            "seconds": seconds,
            "start": ["clickrow", *(ENDS[x] for x in outcomes[:-1])],
            "end": [ENDS[x] for x in outcomes],
            "track": list(tracks or "x" * len(outcomes)),
            "artist": list(tracks or "x" * len(outcomes)),
            "shuffle": 0.0,
        }
    )


@pytest.fixture
def few(monkeypatch):
    monkeypatch.setattr(export_statistics, "FEWEST", 1)


@pytest.mark.parametrize(
    ("quantity", "by_hand"),
    [
        ("brief rate", 3 / 6),
        ("any rate", 4 / 6),
        ("brief given last skipped", 1 / 3),  # ss, sd and, past the cut play, s-l
        ("brief given last not", 1 / 2),  # ds, ld
        ("any given last skipped", 2 / 4),
        ("brief of start clickrow", 1.0),
        ("start fwdbtn after fwdbtn", 1.0),
        ("reason_end logout share", 1 / 7),
        ("end fwdbtn of start fwdbtn", 1 / 3),
        ("seconds of fwdbtn, 0.5 quantile", 5.0),
        ("plays of a session, mean", 7.0),
    ],
)
def test_statistics_of_a_session_by_hand(few, quantity, by_hand):
    assert measure(listen("ssdscld"))[quantity] == pytest.approx(by_hand)


def test_the_last_time_of_a_track_may_lie_in_another_session(few):
    plays = listen("sdds", "xyzx")
    plays.loc[2:, "ended"] += 86_400
    measures = measure(plays)
    assert measures["brief given same track skipped last time"] == 1.0
    assert measures["plays of a session, mean"] == 2.0


def test_a_play_of_another_listener_is_no_last_time(few):
    plays = pd.concat([listen("s"), listen("d", listener="b")], ignore_index=True)
    assert pd.isna(measure(plays)["brief given same track skipped last time"])
    assert pd.isna(with_outcomes(plays)["before"]).all()


def test_few_plays_measure_nothing():
    assert pd.isna(measure(listen("sd"))["brief rate"])


def test_what_is_published_is_measured():
    assert set(measure(listen("sd"))) == set(published())


def test_every_tolerance_is_above_0():
    assert all(tolerance > 0 for _, tolerance in published().values())
