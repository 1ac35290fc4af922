"""What makes exports hard to read: the quirks of streaming_history.md are in the files."""

import json
import zipfile
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from skipcast.archive.streaming_history import describe, read_history
from skipcast.twin.export import write_exports

BY_HAND = ("fwdbtn", "endplay", "backbtn")
FIRST, LAST = "2017-04", "2022-10-15"  # from and to when `skipped` was never true


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """Return the exports of eight listeners, two of each layout, with 60,000 plays together."""
    path = tmp_path_factory.mktemp("exports") / "all"
    write_exports(path, listeners=8, plays=60_000, seed=5)
    return path


@pytest.fixture(scope="module")
def rows(folder) -> list[dict[str, Any]]:
    """Return the rows of all files of music, in their order."""
    found = []
    for path in sorted(folder.glob("*.zip")):
        with zipfile.ZipFile(path) as archive:
            for name in archive.namelist():
                if name.endswith(".json") and "ideo" not in name:
                    found += [row | {"zip": path.stem} for row in json.loads(archive.read(name))]
    return found


def seconds(text: str) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()


def test_skipped_is_never_true_for_five_years(rows):
    then = [row["skipped"] for row in rows if FIRST < row["ts"] < LAST]
    assert set(then) == {None, False}


def test_skipped_is_since_then_what_reason_end_says(rows):
    since = [row for row in rows if row["ts"] >= LAST]
    assert len(since) > 1000
    assert all(row["skipped"] == (row["reason_end"] in BY_HAND) for row in since)


def test_a_pause_inside_a_play_parts_its_start_from_the_end_less_what_sounded(rows):
    known = [row for row in rows if row["ts"] > "2024" and row["offline_timestamp"]]
    paused = [
        seconds(row["ts"]) - row["ms_played"] / 1000 - row["offline_timestamp"] > 10
        for row in known
    ]
    assert 0.05 < np.mean(paused) < 0.25


def test_starts_are_in_seconds_or_milliseconds_null_or_0(rows):
    kinds = Counter(
        "none" if not x else "ms" if x > 1e11 else "s"
        for x in (row["offline_timestamp"] for row in rows)
    )
    assert min(kinds["none"], kinds["ms"], kinds["s"]) > 1000
    assert {0, None} < {row["offline_timestamp"] for row in rows}


def test_old_starts_are_not_given_and_new_ones_are(rows):
    assert not [row for row in rows if row["ts"] < "2017" and row["offline_timestamp"]]
    assert all(row["offline_timestamp"] for row in rows if row["ts"] > "2024")


def test_exact_duplicates_are_up_to_5_percent_of_an_export(rows):
    shares = []
    for name in {row["zip"] for row in rows}:
        own = [json.dumps(row) for row in rows if row["zip"] == name]
        shares.append(1 - len(set(own)) / len(own))
    assert 0.01 < max(shares) < 0.055
    assert min(shares) < 0.01


@pytest.mark.parametrize(
    "is_so",
    [
        lambda row: row.get("episode_name"),
        lambda row: row.get("audiobook_title"),
        lambda row: not row["master_metadata_track_name"] and not row.get("episode_name"),
        lambda row: row["incognito_mode"],
        lambda row: row["reason_end"] in ("", "unknown", "remote", "trackerror"),
        lambda row: row["reason_start"] == "popup",
        lambda row: row["reason_end"] == "unexpected-exit-while-paused",
    ],
    ids=["episode", "audiobook", "no track", "incognito", "cut", "rare start", "rare end"],
)
def test_rare_rows_are_there_and_few(rows, is_so):
    assert 0 < sum(bool(is_so(row)) for row in rows) < 0.05 * len(rows)


def test_the_reader_leaves_out_what_is_no_play_and_warns_of_nothing(folder):
    history = read_history(folder)
    assert len(history.plays) == pytest.approx(60_000, abs=60)
    assert set(history.report.dropped) >= {
        "duplicates",
        "podcasts",
        "audiobooks",
        "videos",
        "rows without a track",
        "plays in private sessions",
    }
    assert history.report.warnings == ()
    assert "synthetic" in describe(history)[0]


def test_listeners_differ_in_when_they_listen(folder):
    plays = read_history(folder).plays
    late = plays["hour_of_day"].between(18, 23).groupby(plays["listener_id"]).mean()
    assert late.max() - late.min() > 0.2


def test_part_of_an_export_of_early_years_is_noticed(folder, tmp_path):
    with zipfile.ZipFile(folder / "listener-1.zip") as archive:
        content = json.loads(archive.read("MyData/endsong_0.json"))
    (tmp_path / "endsong_0.json").write_text(json.dumps(content[::4]))
    warnings = " ".join(read_history(tmp_path / "endsong_0.json").report.warnings)
    assert "must hold a whole history" in warnings
