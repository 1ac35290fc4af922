"""Exports as files: names, layouts, bytes, and what cannot be asked for."""

import errno
import json
import re
import zipfile
from pathlib import Path
from typing import Any

import pytest

from skipcast.errors import SkipcastError
from skipcast.twin import export
from skipcast.twin.export import write_exports
from skipcast.twin.export_files import PRIVATE


@pytest.fixture(scope="module")
def exports(tmp_path_factory) -> list[Path]:
    """Return the zips of four listeners, one of each layout, who have 180,000 plays together."""
    return write_exports(
        tmp_path_factory.mktemp("exports") / "all", listeners=4, plays=180_000, seed=0
    )


def files_of(path: Path) -> dict[str, list[dict[str, Any]]]:
    """Return the rows of each JSON file of a zip, by its name."""
    with zipfile.ZipFile(path) as archive:
        names = [name for name in archive.namelist() if name.endswith(".json")]
        return {name: json.loads(archive.read(name)) for name in names}


def music_of(path: Path) -> list[dict[str, Any]]:
    """Return the rows of all files of a zip but that of videos."""
    files = files_of(path).items()
    return [row for name, rows in files if "ideo" not in name for row in rows]


def is_play(row: dict[str, Any]) -> bool:
    return bool(row["master_metadata_track_name"]) and not row["incognito_mode"]


def test_each_listener_has_a_zip(exports):
    assert [path.name for path in exports] == [f"listener-{i}.zip" for i in (1, 2, 3, 4)]


@pytest.mark.parametrize(
    ("listener", "names"),
    [
        (0, r"MyData/(endsong_\d|endvideo)\.json"),
        (1, r"MyData/(endsong_\d|endvideo)\.json"),
        (2, r".*/(Streaming_History_(Audio|Video)_20\d\d(-20\d\d)?(_\d)?\.json|ReadMe.*\.pdf)"),
        (3, r".*/(Streaming_History_(Audio|Video)_20\d\d(-20\d\d)?(_\d)?\.json|ReadMe.*\.pdf)"),
    ],
)
def test_files_are_named_as_in_their_year(exports, listener, names):
    with zipfile.ZipFile(exports[listener]) as archive:
        assert [x for x in archive.namelist() if not re.fullmatch(names, x)] == []


def test_no_part_is_above_13_mb_and_long_histories_have_several(exports):
    for path in exports:
        with zipfile.ZipFile(path) as archive:
            assert max(info.file_size for info in archive.infolist()) < 13e6
    assert sum("endsong" in name for name in files_of(exports[0])) > 1


def test_exports_together_have_the_plays_that_were_asked_for(exports):
    unique = [{json.dumps(row) for row in music_of(path) if is_play(row)} for path in exports]
    assert sum(map(len, unique)) == pytest.approx(180_000, abs=40)  # a few plays are like another


def test_exports_of_2020_have_no_uris_and_later_ones_have_twins(exports):
    first, *others = (music_of(path) for path in exports)
    assert not [row for row in first if "spotify_track_uri" in row]
    uris = [row["spotify_track_uri"] for rows in others for row in rows if is_play(row)]
    assert all(re.fullmatch("spotify:track:twin[0-9A-Za-z]{18}", uri) for uri in uris)


def test_names_say_that_they_are_synthetic(exports):
    for row in filter(is_play, music_of(exports[3])):
        assert row["master_metadata_track_name"].startswith("Twin track ")
        assert row["master_metadata_album_artist_name"].startswith("Twin artist ")


def test_private_keys_hold_nobodys_values(exports):
    values = {
        (key, row[key])
        for path in exports
        for row in music_of(path)
        for key in PRIVATE
        if key in row
    }
    assert values == set(PRIVATE.items())


@pytest.mark.parametrize("listener", [2, 3])
def test_files_of_later_years_are_in_order_of_time(exports, listener):
    ended = [row["ts"] for row in music_of(exports[listener])]
    assert ended == sorted(ended)


@pytest.mark.parametrize("listener", [0, 1])
def test_each_file_of_earlier_years_is_a_random_part_of_the_history(exports, listener):
    songs = [rows for name, rows in files_of(exports[listener]).items() if "endsong" in name]
    first, second, *_ = songs
    ended = sorted(row["ts"] for row in first)
    before = sum(row["ts"] < ended[len(ended) // 2] for row in second)
    assert before == pytest.approx(len(second) / 2, rel=0.15)


def test_the_same_seed_gives_the_same_bytes_and_another_gives_others(tmp_path):
    one, same, other = (
        [path.read_bytes() for path in write_exports(out, listeners=2, plays=500, seed=seed)]
        for out, seed in ((tmp_path / "a", 7), (tmp_path / "b", 7), (tmp_path / "c", 8))
    )
    assert one == same
    assert one != other


def test_listeners_made_at_different_times_differ(tmp_path, monkeypatch):
    monkeypatch.setattr(export, "CHUNK", 100)
    one, other = (
        {row["ts"] for row in music_of(path)}
        for path in write_exports(tmp_path / "a", listeners=2, plays=300, seed=0)
    )
    assert len(one & other) < 5


@pytest.mark.parametrize(("listeners", "plays"), [(1, 1), (3, 3), (5, 40)])
def test_few_plays_will_do(tmp_path, listeners, plays):
    paths = write_exports(tmp_path / "a", listeners=listeners, plays=plays, seed=0)
    rows = [sum(is_play(row) for row in music_of(path)) for path in paths]
    assert len(rows) == listeners
    assert min(rows) >= 1


@pytest.mark.parametrize(
    ("listeners", "plays", "message"),
    [(0, 10, "must be positive but got 0"), (3, 2, "at least that of the listeners but got 2")],
)
def test_too_few_are_an_error(tmp_path, listeners, plays, message):
    with pytest.raises(SkipcastError, match=message):
        write_exports(tmp_path / "a", listeners=listeners, plays=plays, seed=0)
    assert not (tmp_path / "a").exists()


def test_a_folder_that_holds_something_is_left_alone(tmp_path):
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(SkipcastError, match="must be new or empty but got"):
        write_exports(tmp_path, listeners=1, plays=10, seed=0)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_a_full_disk_leaves_nothing(tmp_path, monkeypatch):
    def full(*_args: object) -> bytes:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(export, "zip_of", full)
    with pytest.raises(SkipcastError, match="No space left on device"):
        write_exports(tmp_path / "a", listeners=1, plays=10, seed=0)
    assert list(tmp_path.iterdir()) == []
