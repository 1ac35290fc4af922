"""What is a streaming history, whose it is, and what is refused, with remedies that work."""

import bz2
import gzip
import json
import re
import shutil
import subprocess
import zipfile
from pathlib import Path

import pytest
from harness.archives import write_tar, write_zip
from harness.exports import FILES, LAYOUTS, NO_TRACK, evening, files_of, make_play, write_export

from skipcast.archive import history_files
from skipcast.archive.history_files import is_history
from skipcast.archive.streaming_history import describe, read_history
from skipcast.errors import SkipcastError

ACCOUNT = json.dumps(
    [{"endTime": "2024-03-01 12:00", "artistName": "A", "trackName": "T", "msPlayed": 9}]
).encode()
PLAYLISTS = b'{"playlists": [{"name": "marker"}]}'
CSV = b"session_id,session_position\ns,1\n"
PLAYS = json.dumps(evening()).encode()


def write(path: Path, content: bytes = PLAYS) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def fetch(path: Path) -> list[str]:
    """Read a source as the command `fetch` does; return what it says."""
    assert is_history(path)
    return describe(read_history(path))


def refused(path: Path) -> str:
    with pytest.raises(SkipcastError) as caught:
        fetch(path)
    return str(caught.value)


# What is a history


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("name", ["my_spotify_data.zip", "renamed", "log.csv", "x.tar.gz"])
def test_a_zip_is_known_by_its_content(tmp_path, layout, name):
    assert fetch(write_export(tmp_path / name, evening(layout), layout))[0].startswith("5 plays")


@pytest.mark.parametrize("name", ["endsong_0.json", "renamed", "log.csv"])
@pytest.mark.parametrize("before", [b"", b"\xef\xbb\xbf", b"\n \t"])
def test_a_file_is_known_by_its_content(tmp_path, name, before):
    assert fetch(write(tmp_path / name, before + PLAYS))[0].startswith("5 plays")


def test_a_folder_of_one_listener_at_any_depth(tmp_path):
    for name, content in files_of(evening(), parts=3).items():
        write(tmp_path / "spotify" / name, content)
    report = read_history(tmp_path / "spotify").report
    assert [*report.listeners.values()] == ["74c92dd40c44"]
    report = read_history(tmp_path).report
    assert [*report.listeners.values()] == ["74c92dd40c44"]


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({"log.csv": CSV}, False),
        ({"log.csv": CSV, "package.json": PLAYLISTS}, False),
        ({"log.csv": CSV, "empty.json": b""}, False),
        ({"log.csv": CSV, "a.json": PLAYS}, True),
        ({"empty.json": b""}, True),
        ({"bank.csv": b"a,b\n1,2\n", "a.json": PLAYS}, True),
        ({"ReadMe.pdf": b"%PDF-1.7"}, False),
        ({}, False),
        ({"a.json": ACCOUNT}, True),
        ({"Playlist1.json": PLAYLISTS}, True),
        ({"._a.json": PLAYS, "__MACOSX/a.json": PLAYS, "log.csv": CSV}, False),
    ],
)
@pytest.mark.parametrize("kind", ["folder", "zip"])
def test_official_files_stay_official(tmp_path, files, expected, kind):
    path = tmp_path / "source"
    path.mkdir()
    for name, content in files.items():
        write(path / name, content)
    if kind == "zip":
        path = write_zip(tmp_path / "source.zip", files)
    assert is_history(path) == expected


def test_the_twin_is_no_history(twin, tmp_path):
    assert not is_history(twin)
    assert not is_history(Path(shutil.make_archive(str(tmp_path / "a"), "zip", twin)))
    assert not is_history(Path(shutil.make_archive(str(tmp_path / "a"), "gztar", twin)))
    assert not is_history(twin / "training_set/log_mini.csv")


def test_nothing_is_unpacked_to_disk(tmp_path, monkeypatch):
    path = write_export(tmp_path / "a/my_spotify_data.zip", evening())
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    monkeypatch.setenv("TMPDIR", str(temporary))
    monkeypatch.setattr("tempfile.tempdir", None)
    before = temporary.stat().st_mtime_ns, path.parent.stat().st_mtime_ns
    fetch(path)
    assert (temporary.stat().st_mtime_ns, path.parent.stat().st_mtime_ns) == before


# Whose it is


def test_each_zip_and_each_folder_is_a_listener(tmp_path):
    write_export(tmp_path / "anna.zip", evening())
    write_export(tmp_path / "ben/my_spotify_data.zip", evening(2022, start=50), 2022)
    write(tmp_path / "carl/MyData/endsong_0.json", json.dumps(evening(2020, 99)).encode())
    write_export(tmp_path / "carl/more.zip", evening(start=10**6))
    history = read_history(tmp_path)
    assert [*history.report.listeners] == ["anna", "ben", "carl"]
    assert history.plays["listener_id"].value_counts().tolist() == [10, 5, 5]
    assert len({*history.report.listeners.values()}) == 3
    said = "\n".join(describe(history))
    for name, id_ in history.report.listeners.items():
        assert f"{name} ({id_})" in said


def test_a_zip_of_folders_is_read_as_the_folder(tmp_path):
    write(tmp_path / "all/anna/a.json")
    write(tmp_path / "all/ben/a.json", json.dumps(evening(start=50)).encode())
    zipped = shutil.make_archive(str(tmp_path / "zipped"), "zip", tmp_path / "all")
    assert read_history(zipped).report == read_history(tmp_path / "all").report


def test_a_listener_is_the_same_whoever_else_is_there(tmp_path):
    write_export(tmp_path / "anna.zip", evening())
    write_export(tmp_path / "ben.zip", evening(start=50))
    first = read_history(tmp_path).report.listeners
    write_export(tmp_path / "carl.zip", evening(start=99))
    assert read_history(tmp_path).report.listeners.items() > first.items()


def test_a_zip_beside_its_unpacked_files_is_read_once(tmp_path):
    video = {"endvideo.json": PLAYS}
    path = write_zip(tmp_path / "my_spotify_data.zip", files_of(evening()) | video)
    for place in (tmp_path, tmp_path / "my_spotify_data"):
        shutil.unpack_archive(path, place)
        (place / "endvideo.json").unlink()
        said = fetch(tmp_path)
        assert said[0].startswith("5 plays, 1 session, 1 listener")
        assert "Left out: my_spotify_data.zip, which is unpacked beside itself." in said
        shutil.rmtree(tmp_path / Path(FILES[2024]).parts[0], ignore_errors=True)


def test_the_same_zip_twice_is_read_once(tmp_path):
    path = write_export(tmp_path / "my_spotify_data.zip", evening())
    shutil.copy(path, tmp_path / "my_spotify_data (1).zip")
    said = fetch(tmp_path)
    assert said[0].startswith("5 plays, 1 session, 1 listener")
    assert "Left out: my_spotify_data.zip, the same as my_spotify_data (1).zip." in said


def test_two_exports_of_one_listener_are_refused_and_the_remedies_work(tmp_path):
    old = [row for day in range(9) for row in evening(2022, start=86400 * day)]
    new = [row for day in range(12) for row in evening(start=86400 * day)]
    source = tmp_path / "exports"
    write_export(source / "old.zip", old, 2022)
    write_export(source / "new.zip", new)
    write_export(source / "ben.zip", evening(start=50))
    text = refused(source)
    assert re.match(
        r"Each zip and each folder in exports must be another listener's but old and new share "
        r"100% of their plays",
        text,
    )
    assert "Move both into one new folder there, or take one away." in text
    (source / "anna").mkdir()
    for name in ("old.zip", "new.zip"):
        shutil.move(source / name, source / "anna")
    history = read_history(source)
    assert {*history.report.listeners} == {"anna", "ben"}
    assert len(history.plays) == 65
    assert history.report.dropped == {"duplicates": 45}
    (source / "anna/old.zip").unlink()
    assert len(read_history(source).plays) == 65


def test_plays_of_an_export_without_uris_and_of_one_with_them_are_read_once(tmp_path):
    write_export(tmp_path / "2020.zip", evening(2020), 2020)
    write_export(tmp_path / "2024.zip", [*evening(), *evening(start=86400)])
    assert "2020 and 2024 share 100% of their plays" in refused(tmp_path)
    (tmp_path / "anna").mkdir()
    for name in ("2020.zip", "2024.zip"):
        shutil.move(tmp_path / name, tmp_path / "anna")
    history = read_history(tmp_path)
    assert history.report.dropped == {"duplicates": 5}
    assert history.plays["track_id_clean"].nunique() == 5


# What is left out


def test_account_data_beside_the_history_is_left_out_and_told(tmp_path):
    files = files_of(evening()) | {
        "Spotify Account Data/StreamingHistory_music_0.json": ACCOUNT,
        "Spotify Account Data/Playlist1.json": PLAYLISTS,
    }
    path = write_zip(tmp_path / "my_spotify_data.zip", files)
    said = fetch(path)
    assert said[0].startswith("5 plays, 1 session, 1 listener")
    for what, name in (("of Account data", "StreamingHistory_music_0"), ("without plays", "Pl")):
        assert any(
            s.startswith(f"Left out: 1 files {what}, the first ") and name in s for s in said
        )


@pytest.mark.parametrize(
    ("name", "content"),
    [("ben.rar", b"Rar!"), ("ben.7z", b"7z"), ("ben.tar.gz", gzip.compress(b"x"))],
)
def test_other_archives_of_a_folder_are_left_out_and_told(tmp_path, name, content):
    write_export(tmp_path / "anna.zip", evening())
    write(tmp_path / name, content)
    assert f"Left out: {name}. Unpack it: only zips and JSON are read." in fetch(tmp_path)


def test_a_zip_without_json_in_a_folder_is_left_out_and_told(tmp_path):
    inner = write_export(tmp_path / "inner.zip", evening(start=50))
    write_export(tmp_path / "a/anna.zip", evening())
    write_zip(tmp_path / "a/ben.zip", {"inner.zip": inner.read_bytes()})
    assert "Left out: ben.zip, in which no file ends in .json." in fetch(tmp_path / "a")


# What is refused


@pytest.mark.parametrize("name", ["StreamingHistory_music_0.json", "StreamingHistory0.json"])
@pytest.mark.parametrize("kind", ["zip", "folder", "file"])
def test_account_data_alone_is_refused(tmp_path, name, kind):
    path = write(tmp_path / "MyData" / name, ACCOUNT)
    write(tmp_path / "MyData/Playlist1.json", PLAYLISTS)
    if kind == "zip":
        path = Path(shutil.make_archive(str(tmp_path / "my_spotify_data"), "zip", tmp_path))
    elif kind == "folder":
        path = tmp_path
    assert re.fullmatch(
        r".* must be an extended streaming history but is Spotify's Account data \(.*"
        rf"{name}\), which does not say why plays began and ended\. Ask for \"Extended streaming "
        r"history\" on https://www\.spotify\.com/account/privacy \(docs/your_listening\.md\)\.",
        refused(path),
    )


@pytest.mark.parametrize(
    ("name", "content", "held"),
    [
        ("a.json", PLAYLISTS, "must be an extended streaming history but has other JSON"),
        ("a.json", b'[{"timestamp_utc": "x"}]', "but has other JSON (x.zip/a.json)"),
        ("endvideo.json", PLAYS, "must be an extended streaming history but has videos alone"),
        ("a.json", b" [ ]\n", "must hold plays of tracks but holds an empty list"),
        ("a.json", json.dumps([make_play(9) | NO_TRACK] * 3).encode(),
         "must hold plays of tracks but holds only rows without a track (3)"),
        ("a.json", json.dumps([make_play(9, incognito_mode=True)]).encode(),
         "must hold plays of tracks but holds only plays in private sessions (1)"),
    ],
)  # fmt: skip
def test_an_export_without_plays_is_refused(tmp_path, name, content, held):
    text = refused(write_zip(tmp_path / "x.zip", {name: content}))
    assert held in text
    assert 'Ask for "Extended streaming history"' in text


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        (PLAYS[:-100], "must be whole JSON but is cut short or damaged: Input data was truncated"),
        (PLAYS + b"]", "must be whole JSON but is cut short or damaged: JSON is malformed"),
        (PLAYS.replace(b'"marker-ip"', b"\xff"), "must be whole JSON but is cut short or damaged"),
        (PLAYS.replace(b'"marker-ip"', b"[" * 5000), "must be whole JSON but is cut short"),
        (b'{"ms_played": 1}', "must be a list of plays, as Spotify writes it, but is another"),
        (b'[5, {"ms_played": 1}]', "A play must be an object but got a number in x/a.json, row 1"),
        (b'[{"ms_played": 1}, null]', "A play must be an object but got null in x/a.json, row 2"),
        (b"", "must be JSON but is empty. Get it again."),
        (b"<!doctype html>", "must be JSON but is a web page. Get it again; sign in first"),
        (bytes(100), "must be JSON but is binary"),
        (b"ts,ms_played\n1,2\n", "must be JSON but is none. Get the export again"),
        (PLAYS.decode().encode("utf-16"), "must be JSON but is text in UTF-16. Convert it: `iconv"),
    ],
)
@pytest.mark.parametrize("kind", ["zip", "folder"])
def test_json_that_is_none_is_refused_by_name(tmp_path, content, fault, kind):
    files = {"a.json": content, "b.json": PLAYS}
    for name, text in files.items():
        write(tmp_path / "x" / name, text)
    path = write_zip(tmp_path / "x.zip", files) if kind == "zip" else tmp_path / "x"
    prefix = "x.zip/" if kind == "zip" else ""
    text = refused(path)
    assert f"{prefix}a.json" in text
    assert fault.replace("x/", prefix) in text


@pytest.mark.parametrize(
    ("key", "value", "fault"),
    [
        ("ts", 1709294400, "ts must be text or null but got a number"),
        ("ts", "yesterday", "ts must be a time like 2019-01-31T12:00:00Z but got 'yesterday'"),
        ("ts", "2024-02-31T12:00:00Z", "ts must be a time like 2019-01-31T12:00:00Z but got"),
        ("ms_played", "200", "ms_played must be a number or null but got text"),
        ("ms_played", True, "ms_played must be a number or null but got true or false"),
        ("shuffle", "yes", "shuffle must be true or false or null but got text"),
        ("reason_end", ["fwdbtn"], "reason_end must be text or null but got a list"),
        ("spotify_track_uri", {}, "spotify_track_uri must be text or null but got an object"),
        ("offline_timestamp", "soon", "offline_timestamp must be a number or null but got text"),
        ("master_metadata_track_name", 99, "master_metadata_track_name must be text or null but"),
    ],
)
def test_a_value_of_another_type_is_refused_by_place(tmp_path, key, value, fault):
    rows = [*evening(), make_play(900) | {key: value}]
    text = refused(write_zip(tmp_path / "x.zip", {"a.json": json.dumps(rows).encode()}))
    assert text.startswith(fault)
    assert "in x.zip/a.json, row 6. Get the export again" in text


@pytest.mark.parametrize("key", ["skipped", "platform", "offline", "ip_addr", "a_key_of_2027"])
@pytest.mark.parametrize("value", [1, "x", None, {"deep": [1]}])
def test_keys_that_are_not_read_may_hold_anything(tmp_path, key, value):
    rows = [row | {key: value} for row in evening()]
    assert fetch(write(tmp_path / "a.json", json.dumps(rows).encode()))[0].startswith("5 plays")


@pytest.mark.parametrize("share", [0.1, 0.5, 0.95])
def test_a_zip_that_is_half_there_is_refused(tmp_path, share):
    path = write_export(tmp_path / "my_spotify_data.zip", evening())
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * share)])
    text = refused(path)
    assert text.startswith(
        "my_spotify_data.zip must be a whole archive but is cut short or damaged"
    )
    assert "Get it again and compare its size with the source's." in text
    shutil.copy(path, tmp_path / "other.crdownload")
    assert "must be a whole archive" in refused(tmp_path / "other.crdownload")


def test_a_damaged_file_in_a_zip_is_refused_by_name(tmp_path):
    path = write_zip(tmp_path / "x.zip", {"a.json": PLAYS}, zipfile.ZIP_STORED)
    path.write_bytes(path.read_bytes().replace(b"Artist 1", b"Artist 9"))
    assert "x.zip/a.json must be a whole archive but is cut short or damaged: Bad CRC" in (
        refused(path)
    )


def test_a_zip_with_a_password_is_refused(tmp_path):
    path = write_zip(tmp_path / "x.zip", {"a.json": PLAYS})
    content = bytearray(path.read_bytes())
    for signature, flag in ((b"PK\1\2", 8), (b"PK\3\4", 6)):
        content[content.index(signature) + flag] |= 1
    path.write_bytes(content)
    assert re.match(r"x.zip/a.json must be .* without a password but is not: .*", refused(path))


@pytest.mark.parametrize(
    ("content", "kind"),
    [(b"<html>sign in", "a web page"), (b"%PDF-1.7", "a PDF document"), (b"", "empty"),
     (b"Rar!\x1a", "a RAR archive"), (bz2.compress(PLAYS), "bzip2")],
)  # fmt: skip
def test_a_file_of_another_kind_is_refused_by_what_it_is(tmp_path, content, kind):
    text = refused(write(tmp_path / "my_spotify_data.zip", content))
    assert text.startswith(
        "my_spotify_data.zip must be CSV, as it is or packed as .gz, .tar, .tar.gz or .zip, or a "
        f"listener's own streaming history, as Spotify's zip or its JSON, but is {kind}."
    )


def test_json_in_gzip_is_refused_and_the_remedy_works(tmp_path):
    path = write(tmp_path / "endsong_0.json.gz", gzip.compress(PLAYS))
    remedy = re.search("`(gunzip .*)`", refused(path))
    assert remedy
    subprocess.run(remedy[1], shell=True, check=True)
    assert fetch(tmp_path / "endsong_0.json")[0].startswith("5 plays")


def test_the_remedy_of_another_encoding_works(tmp_path):
    path = write(tmp_path / "a.json", PLAYS.decode().encode("utf-16"))
    for source in (path, tmp_path):
        remedy = re.search("`(iconv.*)`", refused(source))
        assert remedy
    command = remedy[1].replace("FILE", "a.json")
    subprocess.run(command, shell=True, cwd=tmp_path, check=True)
    assert fetch(path)[0].startswith("5 plays")


def test_json_that_would_fill_memory_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(history_files, "MOST_BYTES", len(PLAYS) - 1)
    path = write_zip(tmp_path / "x.zip", {"a.json": PLAYS})
    assert refused(path).startswith("x.zip/a.json must be at most 0 MB of JSON but is larger.")


def test_a_history_in_tar_is_no_history_but_its_folder_is(tmp_path):
    path = write_tar(tmp_path / "x.tar.gz", files_of(evening()), compressed=True)
    assert not is_history(path)
    shutil.unpack_archive(path, tmp_path / "out")
    assert fetch(tmp_path / "out")[0].startswith("5 plays")
