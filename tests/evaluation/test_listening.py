"""What a history shows: counts by hand, and the rules by which rates are ranked."""

import pandas as pd
import pytest
from harness.own_history import own_history

from skipcast.evaluation.listening import (
    FEWEST_PLAYS,
    TOP,
    USUAL_PLAYS,
    by_hour,
    by_key,
    by_period,
    listenings,
    most_kept,
    most_skipped,
)
from skipcast.features.table import with_label


def plays_of(artists):
    """Return plays by artist: pairs of plays and skips."""
    rows = [
        {"artist_id": artist, "skipped": number < skips}
        for artist, (plays, skips) in artists.items()
        for number in range(plays)
    ]
    return pd.DataFrame(rows)


@pytest.fixture(scope="module")
def history():
    return own_history(3000, listeners=2)[0]


def test_every_play_with_an_outcome_counts_once(history):
    for shown in listenings(history):
        own = history[history["listener_id"] == shown.listener]
        assert shown.plays == own["skip_2"].notna().sum()
        assert shown.plays + shown.cut == len(own)
        assert shown.periods["plays"].sum() + shown.undated == shown.plays
        assert shown.hours["plays"].sum() == (own["skip_2"].notna() & own["date"].notna()).sum()
        assert shown.rate == own["skip_2"].dropna().astype(bool).mean()
        assert shown.periods["skips"].sum() <= own["skip_2"].dropna().sum()


def test_the_label_decides_what_a_skip_is(history):
    brief, any_ = (
        [shown.rate for shown in listenings(with_label(history, skip))] for skip in ("brief", "any")
    )
    assert all(one < other for one, other in zip(brief, any_, strict=True))


def test_those_of_most_plays_come_first(history):
    fewer = history[(history["listener_id"] == "twin-1") | (history.index % 2 == 0)]
    assert [shown.listener for shown in listenings(fewer)] == ["twin-1", "twin-0"]


def test_a_listener_all_of_whose_plays_were_cut_is_left_out(history):
    cut = history.assign(skip_2=history["skip_2"].where(history["listener_id"] == "twin-1"))
    assert [shown.listener for shown in listenings(cut)] == ["twin-1"]


def test_a_play_whose_start_is_not_known_has_the_day_of_its_session(history):
    session = history["session_id"].iloc[-1]
    rows = history[history["session_id"] == session].reset_index(drop=True)
    rows["date"] = [None] * (len(rows) - 1) + ["2020-02-29"]
    (shown,) = listenings(rows)
    assert shown.days == ("2020-02-29", "2020-02-29")
    assert shown.undated == 0


def test_nothing_is_dated_where_no_start_is_known(history):
    (shown, _) = listenings(history.assign(date=None, hour_of_day=None))
    assert shown.days is None
    assert shown.undated == shown.plays
    assert shown.hours["plays"].sum() == 0


def test_hours_are_in_order_and_all_there():
    plays = pd.DataFrame(
        {
            "date": ["2024-05-06", "2024-05-06", "2024-05-12", None],  # a Monday and a Sunday
            "hour_of_day": [9.0, 9.0, 23.0, None],
            "skipped": [True, False, True, True],
        }
    )
    hours = by_hour(plays)
    assert hours[["weekday", "hour"]].to_numpy().tolist() == [
        [day, hour] for day in range(7) for hour in range(24)
    ]
    assert hours.loc[hours["plays"] > 0].to_numpy().tolist() == [[0, 9, 2, 1], [6, 23, 1, 1]]


@pytest.mark.parametrize(
    ("last", "count", "days"),
    [("2024-01-31", 31, 1), ("2024-06-30", 26, 7), ("2026-01-01", 25, 31)],
)
def test_periods_are_days_weeks_or_months_and_the_empty_ones_are_there(last, count, days):
    dates = pd.Series(pd.to_datetime(["2024-01-01", last]))
    periods = by_period(dates, pd.Series([True, False]))
    assert len(periods) == count
    assert periods["days"].iloc[0] == days
    assert periods["plays"].tolist() == [1, *[0] * (count - 2), 1]
    assert periods["skips"].sum() == 1


def test_a_few_plays_do_not_lead():
    artists = {"few": (FEWEST_PLAYS, FEWEST_PLAYS), "many": (100, 90), "usual": (300, 60)}
    plays = plays_of(artists)
    usual = plays["skipped"].mean()
    ranked = by_key(plays, "artist_id", usual)
    assert most_skipped(ranked, usual)["id"].tolist() == ["many", "few"]
    assert most_kept(ranked, usual)["id"].tolist() == ["usual"]
    expected = (FEWEST_PLAYS + USUAL_PLAYS * usual) / (FEWEST_PLAYS + USUAL_PLAYS)
    assert ranked.set_index("id")["rate"]["few"] == expected


def test_those_of_fewer_plays_are_not_ranked():
    plays = plays_of({"few": (FEWEST_PLAYS - 1, 0), "many": (50, 20)})
    assert by_key(plays, "artist_id", 0.4)["id"].tolist() == ["many"]


def test_one_artist_alone_is_neither():
    plays = plays_of({"one": (50, 20)})
    ranked = by_key(plays, "artist_id", 0.4)
    assert most_skipped(ranked, 0.4).empty
    assert most_kept(ranked, 0.4).empty


def test_nobody_is_on_both_sides_and_the_sides_have_an_end(history):
    (shown, _) = listenings(history)
    sides = [side(shown.by_artist, shown.rate) for side in (most_skipped, most_kept)]
    assert [len(side) for side in sides] == [TOP, TOP]
    assert not set(sides[0]["id"]) & set(sides[1]["id"])
