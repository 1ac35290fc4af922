"""Listeners' own histories as plays: order, sessions, starts, pauses, outcomes, ids and names."""

import json
import random
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from harness.exports import (
    LAYOUTS,
    NO_TRACK,
    NOON,
    evening,
    files_of,
    make_play,
    make_plays,
    write_export,
)

from skipcast.archive.streaming_history import (
    NAMES,
    History,
    describe,
    latest_sessions,
    no_names,
    read_history,
)
from skipcast.schema import LOG, OUTCOMES, TRACK, is_synthetic, names

PAUSES = ("no_pause_before_play", "short_pause_before_play", "long_pause_before_play")


@pytest.fixture
def read(tmp_path):
    """Return a function that reads rows as the export of one listener."""

    def read(rows, layout=2024, *, timezone=None, limit=None, parts=1) -> History:
        path = write_export(tmp_path / "my_spotify_data.zip", rows, layout, parts=parts)
        return read_history(path, timezone=timezone, rows=limit)

    return read


def column(history: History, name: str) -> list[object]:
    """Return a column of the plays, null as None."""
    values = history.plays[name]
    return values.astype(object).where(values.notna(), None).tolist()


@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_layout_gives_the_same_plays(read, layout):
    plays = read(evening(layout), layout).plays
    expected = read(evening(2024), 2024).plays
    assert plays["track_id_clean"].nunique() == 5
    if layout == 2020:  # without URIs
        plays, expected = (p.drop(columns="track_id_clean") for p in (plays, expected))
    pd.testing.assert_frame_equal(plays, expected)


def test_tables_have_the_columns_of_the_schema(read):
    history = read(evening())
    assert [*history.plays] == names(LOG)
    assert [*history.tracks] == names(TRACK)
    assert [*history.names] == NAMES == [*no_names()]
    assert history.tracks["track_id"].tolist() == sorted(set(history.plays["track_id_clean"]))
    assert history.tracks.drop(columns="track_id").isna().all(axis=None)
    for name in ("premium", "context_type", "context_switch", "hist_user_behavior_n_seekfwd"):
        assert history.plays[name].isna().all()


def test_outcomes_come_from_the_reason_and_the_time_played(read):
    history = read(
        make_plays(
            [
                (100, 10, "clickrow", "fwdbtn"),
                (200, 30, "fwdbtn", "backbtn"),
                (300, 31, "backbtn", "endplay"),
                (400, 5, "clickrow", "trackdone"),
                (500, 5, "trackdone", "clickrow"),
                (600, 5, "clickrow", "logout"),
            ]
        )
    )
    assert column(history, "skip_1") == [True, False, False, False, False, None]
    assert column(history, "skip_2") == [True, True, False, False, False, None]
    assert column(history, "skip_3") == [True, True, True, False, False, None]
    assert column(history, "not_skipped") == [False, False, False, True, False, None]


@pytest.mark.parametrize(
    "reason",
    ["logout", "unexpected-exit", "unexpected-exit-while-paused", "remote", "unknown",
     "trackerror", "", None, "a-new-reason"],
)  # fmt: skip
def test_a_play_that_the_app_cut_stays_without_outcome(read, reason):
    history = read(make_plays([(100, 90), (200, 5, "trackdone", reason), (300, 90)]))
    plays = history.plays
    assert plays.loc[1, [*OUTCOMES]].isna().all()
    assert plays.loc[[0, 2], [*OUTCOMES]].notna().all(axis=None)
    assert plays["hist_user_behavior_reason_end"].notna().all()
    assert plays["session_length"].tolist() == [3, 3, 3]


@pytest.mark.parametrize(
    ("reason", "expected"),
    [("click-row", "clickrow"), ("clickside", "clickrow"), ("popup", "clickrow"),
     ("uriopen", "clickrow"), ("nextbtn", "fwdbtn"), ("next-btn", "fwdbtn"),
     ("autoplay", "trackdone"), ("persisted", "appload"), ("unexpected-exit", "logout"),
     ("switched-to-video", "endplay"), ("", "unknown"), (None, "unknown"), ("new", "unknown"),
     ("playbtn", "playbtn"), ("FWDBTN", "fwdbtn")],
)  # fmt: skip
def test_reasons_become_the_official_words(read, reason, expected):
    history = read(make_plays([(100, 90, reason, reason)]))
    assert column(history, "hist_user_behavior_reason_start") == [expected]
    assert column(history, "hist_user_behavior_reason_end") == [expected]


@pytest.mark.parametrize(
    ("ahead", "is_known"),
    [(0, True), (5, True), (6, False), (-3600, True), (-7 * 86400, True), (-7 * 86400 - 1, False)],
)
@pytest.mark.parametrize("unit", [1, 1000])
def test_a_start_is_known_where_it_may_be_true(read, ahead, is_known, unit):
    start = NOON - 200 + ahead
    history = read([make_play(0, 200, offline_timestamp=start * unit)])
    assert column(history, "started_at") == [start if is_known else None]
    assert (column(history, "hour_of_day") == [None]) == (not is_known)
    assert (column(history, "date") == [None]) == (not is_known)


@pytest.mark.parametrize("given", [None, 0, 1, -1, 1e18])
def test_what_needs_an_unknown_start_is_missing_not_computed(read, given):
    history = read([make_play(200), make_play(400, offline_timestamp=given), make_play(600)])
    for name in ("started_at", "hour_of_day", "date", *PAUSES):
        assert column(history, name)[1] is None
        assert column(history, name)[2] is not None


@pytest.mark.parametrize(
    ("gap", "pause"), [(-50, 0), (0, 0), (1, 0), (2, 1), (60, 1), (61, 2), (1200, 2)]
)
def test_pauses_are_from_the_end_before_to_the_start(read, gap, pause):
    history = read([make_play(0), make_play(200 + gap), make_play(400 + gap)])
    assert [column(history, name)[1] for name in PAUSES] == [int(pause == i) for i in range(3)]
    assert [column(history, name)[0] for name in PAUSES] == [None] * 3


@pytest.mark.parametrize("started", ["known", "unknown"])
@pytest.mark.parametrize(("gap", "sessions"), [(1200, 1), (1201, 2)])
def test_a_session_ends_with_twenty_minutes_of_silence(read, gap, sessions, started):
    changes = {} if started == "known" else {"offline_timestamp": None}
    history = read([make_play(0), make_play(200 + gap, **changes)])
    assert history.plays["session_id"].nunique() == sessions
    assert column(history, "session_position") == ([1, 2] if sessions == 1 else [1, 1])
    assert column(history, "session_length") == ([2, 2] if sessions == 1 else [1, 1])


def test_a_play_that_was_paused_for_hours_keeps_its_session(read):
    rows = [make_play(0), make_play(9000, offline_timestamp=NOON), make_play(9200)]
    assert read(rows).plays["session_id"].nunique() == 1


def test_sessions_are_numbered_by_time_within_a_listener(read):
    history = read([row for day in range(12) for row in evening(start=86400 * (11 - day))])
    ids = history.plays["session_id"]
    assert ids.is_monotonic_increasing
    assert ids.unique()[[0, -1]].tolist() == ["74c92dd40c44-0000001", "74c92dd40c44-0000012"]
    assert history.plays["started_at"].is_monotonic_increasing
    assert (history.plays["listener_id"] == "74c92dd40c44").all()


def test_files_in_any_order_give_the_same_plays(read):
    rows = [row for day in range(20) for row in evening(start=86400 * day)]
    expected = read(rows).plays
    random.Random(0).shuffle(rows)
    pd.testing.assert_frame_equal(read(rows, 2022, parts=4).plays, expected)


def test_plays_of_the_same_second_stay_in_the_order_of_the_file(read):
    rows = make_plays([(100, 90), (100, 0, "fwdbtn", "fwdbtn"), (100, 0, "fwdbtn", "backbtn")])
    known = [r | {"offline_timestamp": NOON + 100} for r in rows[1:]]
    ends = ["trackdone", "fwdbtn", "backbtn"]
    assert column(read([rows[0], *known]), "hist_user_behavior_reason_end") == ends
    assert column(read([*known, rows[0]]), "hist_user_behavior_reason_end") == ends
    other = column(read([known[1], known[0], rows[0]]), "hist_user_behavior_reason_end")
    assert other == ["trackdone", "backbtn", "fwdbtn"]


EPISODE = {"episode_name": "marker-episode", "spotify_episode_uri": "spotify:episode:1"}
LEFT_OUT = [
    (make_play(500, incognito_mode=True), "plays in private sessions"),
    (make_play(500) | NO_TRACK | EPISODE, "podcasts"),
    (make_play(500) | NO_TRACK | {"episode_name": "marker"}, "podcasts"),
    (make_play(500) | {"spotify_track_uri": "spotify:episode:1"}, "podcasts"),
    (make_play(500) | NO_TRACK | {"audiobook_uri": "spotify:show:1"}, "audiobooks"),
    (make_play(500) | NO_TRACK | {"audiobook_chapter_uri": "spotify:c:1"}, "audiobooks"),
    (make_play(500) | NO_TRACK, "rows without a track"),
    (make_play(500) | dict.fromkeys(NO_TRACK, ""), "rows without a track"),
    ({}, "rows without a track"),
    (make_play(500, ts=None), "rows without a time"),
    (make_play(500, ts="1970-01-01T00:00:00Z"), "rows without a time"),
    (make_play(500, ms_played=None), "rows without a time"),
    (make_play(500, ms_played=-1), "rows without a time"),
    (evening()[0], "duplicates"),
    (evening()[0] | {"platform": "other", "ip_addr": "1.1.1.1"}, "duplicates"),
]


@pytest.mark.parametrize(("row", "reason"), LEFT_OUT)
def test_what_is_left_out_is_counted_by_reason(read, row, reason):
    history = read([*evening(), row])
    assert history.report.dropped == {reason: 1}
    assert f"Left out: {reason} (1)." in describe(history)
    pd.testing.assert_frame_equal(history.plays, read(evening()).plays)


def test_files_of_videos_are_counted_and_not_read(tmp_path):
    rows = json.dumps([make_play(900)] * 3).encode()
    for name in ("endvideo.json", "Streaming_History_Video_2024.json"):
        (tmp_path / name).write_bytes(rows)
        (tmp_path / "a.json").write_bytes(json.dumps(evening()).encode())
        history = read_history(tmp_path)
        assert history.report.dropped == {"videos": 3}
        assert len(history.plays) == 5
        (tmp_path / name).unlink()


@pytest.mark.parametrize(
    "text", ["2024-03-01T12:00:00Z", "2024-03-01 12:00:00 UTC", "2024-03-01 12:00:00",
             "2024-03-01T12:00:00.123Z", "2024-03-01T13:00:00+01:00"],
)  # fmt: skip
def test_times_in_all_spellings_are_read(read, text):
    history = read([make_play(0, 200, ts=text)])
    assert column(history, "started_at") == [NOON - 200]


@pytest.mark.parametrize(
    ("timezone", "hour", "day"),
    [(None, 23, "2024-03-09"), ("UTC", 23, "2024-03-09"), ("Europe/Berlin", 0, "2024-03-10"),
     ("America/New_York", 18, "2024-03-09")],
)  # fmt: skip
def test_hour_and_day_are_of_the_time_zone(read, timezone, hour, day):
    start = 8 * 86400 + 11 * 3600
    history = read([make_play(start + 200, 200), make_play(start + 7400, 200)], timezone=timezone)
    assert column(history, "hour_of_day")[0] == hour
    assert column(history, "date")[0] == day


def test_the_hour_follows_summer_time(read):
    history = read([make_play(day * 86400 + 200) for day in (29, 30)], timezone="Europe/Berlin")
    assert column(history, "hour_of_day") == [13, 14]


def test_tracks_and_artists_are_hashes_with_their_names_beside(read):
    history = read(make_plays([(100, 90), (300, 90)], track=12))
    track, artist = history.plays["track_id_clean"][0], history.plays["artist_id"][0]
    assert len(track) == len(artist) == 22
    named = history.names[history.names["kind"].isin(["artist", "track"])]
    assert named.astype(object).where(named.notna(), None).values.tolist() == [
        [artist, "artist", "Artist 1", None],
        [track, "track", "Track 12", "Artist 1"],
    ]


def test_listeners_and_sessions_have_local_names(tmp_path):
    write_export(tmp_path / "anna.zip", evening(start=43_200))
    write_export(tmp_path / "ben.zip", evening(start=90))
    history = read_history(tmp_path, timezone="Europe/Berlin")
    named = history.names.set_index(["kind", "id"])["name"]
    assert named["listener"].to_dict() == {i: n for n, i in history.report.listeners.items()}
    ids = history.report.listeners
    assert named["session"].to_dict() == {
        f"{ids['anna']}-0000001": "2024-03-02 01",
        f"{ids['ben']}-0000001": "2024-03-01 13",
    }


def test_a_track_of_2020_is_known_by_artist_and_name(read):
    rows = [make_play(100 * i, 90, layout=2020, track=t) for i, t in enumerate((1, 1, 2), 1)]
    rows.append(rows[0] | {"ts": "2024-03-01T13:00:00Z",
                           "master_metadata_album_artist_name": "Other"})  # fmt: skip
    ids = column(read(rows, 2020), "track_id_clean")
    assert [ids.index(i) for i in ids] == [0, 0, 2, 3]


def test_a_track_without_names_is_known_by_its_uri(read):
    unnamed = dict.fromkeys(NO_TRACK, None) | {"spotify_track_uri": "spotify:track:x"}
    history = read([make_play(100, 90), make_play(300, 90) | unnamed])
    assert column(history, "artist_id")[1] is None
    assert column(history, "track_id_clean")[1] is not None
    assert history.names["kind"].isin(["artist", "track"]).sum() == 2


def test_a_track_has_its_latest_name(read):
    rows = [make_play(i * 100, 90, master_metadata_track_name=f"Name {i}") for i in (2, 1, 3)]
    history = read(rows)
    assert history.names.query("kind == 'track'")["name"].tolist() == ["Name 3"]


@pytest.mark.parametrize("artist", ["Twin artist 7", "A twin artist"])
def test_synthetic_exports_say_so_in_every_id(read, artist):
    history = read(evening(master_metadata_album_artist_name=artist))
    assert is_synthetic(history.plays["session_id"]) == artist.startswith("Twin")
    for name in ("session_id", "listener_id", "track_id_clean"):
        assert is_synthetic(history.plays[name]) == artist.startswith("Twin")
    assert is_synthetic(history.tracks["track_id"]) == artist.startswith("Twin")
    assert describe(history)[0].endswith("(twin: synthetic data)") == artist.startswith("Twin")


def test_rows_takes_the_latest_whole_sessions_of_each_listener(tmp_path):
    for name, days in (("anna", 9), ("ben", 2)):
        shift = len(name)
        rows = [row for day in range(days) for row in evening(start=86400 * day + shift)]
        write_export(tmp_path / f"{name}.zip", rows)
    history, every = read_history(tmp_path, rows=21), read_history(tmp_path)
    assert len(every.plays) == 55
    numbers = history.plays["session_id"].drop_duplicates().str[-2:].tolist()
    assert sorted(numbers) == ["01", "02", "07", "08", "09"]
    kept = every.plays[every.plays["session_id"].isin(history.plays["session_id"])]
    pd.testing.assert_frame_equal(history.plays, kept.reset_index(drop=True))
    assert latest_sessions(every.plays, 10**6) is every.plays


def test_rows_takes_the_tracks_and_names_of_its_plays_alone(read):
    rows = [row for day in range(3) for row in evening(start=86400 * day)]
    rows[0] |= {"spotify_track_uri": "spotify:track:old", "master_metadata_track_name": "Old"}
    assert "Old" in set(read(rows).names["name"])
    history = read(rows, limit=6)
    assert len(history.plays) == 10
    assert set(history.tracks["track_id"]) == set(history.plays["track_id_clean"])
    assert "Old" not in set(history.names["name"])


def test_the_summary_tells_all_there_is(read):
    days = [row for day in range(2) for row in evening(start=86400 * day)]
    days[3] |= {"offline_timestamp": None}
    assert describe(read(days)) == [
        "10 plays, 2 sessions, 1 listener, 5 tracks, 3 artists, 2024-03-01 to 2024-03-02",
        "20.0% of the plays were cut by the app and have no outcome. Of 10.0%, the start is "
        "unknown.",
    ]


PART = r"^my_spotify_data.zip must hold a whole history but \d\d% of its plays start as the play"


def whole(days: int) -> list[dict[str, object]]:
    """Return sessions of six plays whose starts all follow from the ends before."""
    ends = ["trackdone", "fwdbtn", "fwdbtn", "trackdone", "fwdbtn", "endplay"]
    starts = ["clickrow", *ends[:-1]]
    return [
        make_play(86400 * day + 200 * i, 190, start, end)
        for day in range(days)
        for i, (start, end) in enumerate(zip(starts, ends, strict=True), 1)
    ]


def test_a_part_of_a_history_is_known_by_its_gaps(read):
    rows = whole(300)
    assert read(rows).report.warnings == ()
    random.Random(1).shuffle(rows)
    warnings = read(rows[:600], 2022).report.warnings
    assert len(warnings) == 1
    assert pd.Series(warnings).str.match(PART).all()
    assert read(rows[:90], 2022).report.warnings == ()  # too few to judge


def test_a_part_of_a_history_is_known_by_the_numbers_of_its_files(tmp_path):
    files = {Path(name).name: c for name, c in files_of(evening(2022), 2022, parts=5).items()}
    for name, content in files.items():
        (tmp_path / name).write_bytes(content)
    assert read_history(tmp_path).report.warnings == ()
    (tmp_path / "endsong_1.json").unlink()
    (tmp_path / "endsong_3.json").unlink()
    (warning,) = read_history(tmp_path).report.warnings
    assert "must hold all files of the export but lacks endsong_1.json, endsong_3.json" in warning
    (tmp_path / "endsong_1.json").write_bytes(files["endsong_1.json"])  # the remedy
    (tmp_path / "endsong_3.json").write_bytes(files["endsong_3.json"])
    assert read_history(tmp_path).report.warnings == ()


def test_values_agree_with_a_slow_reading_of_the_same_rows(read):
    """An independent oracle: plain Python, play by play."""
    rng = random.Random(3)
    rows, ended = [], 0
    for _ in range(400):
        seconds = rng.choice([1, 12, 100, 200])
        ended += seconds + rng.choice([0, 1, 30, 100, 5000])
        start = rng.choice([None, NOON + ended - seconds, (NOON + ended - seconds) * 1000])
        end = rng.choice(["trackdone", "fwdbtn", "endplay", "logout"])
        rows.append(make_play(ended, seconds, "trackdone", end, offline_timestamp=start))
    plays = read(rows).plays
    before, position = None, 0
    for row, (_, play) in zip(rows, plays.iterrows(), strict=True):
        end = pd.Timestamp(row["ts"]).timestamp()
        seconds = row["ms_played"] / 1000
        given = row["offline_timestamp"]
        start = None if given is None else given / 1000 if given > 1e11 else given
        first = before is None or (start or end - seconds) - before > 1200
        position = 1 if first else position + 1
        gap = None if first or start is None else start - before
        assert play["session_position"] == position
        assert play["started_at"] == start or (start is None and np.isnan(play["started_at"]))
        assert (None if gap is None else gap > 60) == (
            None if np.isnan(play["long_pause_before_play"]) else play["long_pause_before_play"]
        )
        skipped = row["reason_end"] in ("fwdbtn", "endplay") and seconds <= 30
        assert play["skip_2"] == (None if row["reason_end"] == "logout" else skipped)
        before = end
