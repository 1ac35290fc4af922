"""What is private in a listener's history is in nothing that skipcast writes.

An export has marker texts in all private keys and in all names. The whole pipeline reads it. Then
all that it wrote and said is searched for the markers.
"""

import gzip
import json
import secrets
import shutil
import sqlite3
import zipfile
from pathlib import Path

import pandas as pd
import pytest
import yaml
from harness.clones import Clone, make_clone
from harness.leaks import holders
from harness.servers import ROOT

from skipcast.archive import streaming_history
from skipcast.cli.data import fetch
from skipcast.twin.export import write_exports

PRIVATE = (
    *("username", "conn_country", "city", "region", "metro_code", "latitude", "longitude"),
    *("ip_addr", "ip_addr_decrypted", "user_agent", "user_agent_decrypted", "platform"),
    *("master_metadata_album_album_name", "episode_show_name", "audiobook_chapter_title"),
)
"""Keys of which nothing may be anywhere."""
EPISODES = ("episode_name", "spotify_episode_uri", "audiobook_title", "audiobook_uri")
NAMES = ("master_metadata_track_name", "master_metadata_album_artist_name")
DUMP = """
from skipcast.database.server import connect
with connect() as connection, connection.cursor() as cursor:
    cursor.execute("SELECT format('%I.%I', schemaname, tablename) FROM pg_tables "
                   "WHERE schemaname NOT IN ('pg_catalog', 'information_schema')")
    for table, in cursor.fetchall():
        print(table)
        cursor.execute(f"SELECT t::text FROM {table} t")
        for row in cursor:
            print(*row)
"""


class Secrets:
    """Marker texts that no other file of this machine holds."""

    def __init__(self) -> None:
        token = secrets.token_hex(8)
        self.private = f"private-{token}"  # in private keys, episodes, URIs and private sessions
        self.name = f"name-{token}"  # in names of tracks and artists
        self.listener = f"listener-{token}"  # in names of zips

    def mark(self, row: dict[str, object]) -> dict[str, object]:
        """Return a row with markers in all that is private."""
        row = dict(row) | dict.fromkeys(PRIVATE, self.private)
        row |= {key: self.private for key in EPISODES if row.get(key)}
        row |= {key: f"{self.name} {row[key]}" for key in NAMES if row.get(key)}
        if row.get("spotify_track_uri"):
            row["spotify_track_uri"] = f"{row['spotify_track_uri']}{self.private}"
        if row.get("incognito_mode"):
            row |= dict.fromkeys(NAMES, self.private)
        return row


def mark(source: Path, target: Path, marks: Secrets) -> None:
    """Copy a zip of JSON files with markers in all rows."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(source) as archive, zipfile.ZipFile(target, "w") as marked:
        for name in archive.namelist():
            content = archive.read(name)
            if name.endswith(".json"):
                content = json.dumps([marks.mark(row) for row in json.loads(content)]).encode()
            marked.writestr(name, content)


@pytest.fixture(scope="module")
def marks() -> Secrets:
    return Secrets()


@pytest.fixture(scope="module")
def export(tmp_path_factory, marks) -> Path:
    """Return a folder of two listeners' exports with markers."""
    folder = tmp_path_factory.mktemp("exports")
    for path in write_exports(folder / "plain", listeners=4, plays=8000, seed=5)[2:]:
        mark(path, folder / "marked" / f"{marks.listener}-{path.name}", marks)
    return folder / "marked"


@pytest.fixture(scope="module")
def clone(tmp_path_factory, export) -> Clone:
    """Return a clone in which the whole pipeline has run, and all that was said is in a file."""
    clone = make_clone(tmp_path_factory.mktemp("clone"), tmp_path_factory.mktemp("home"))
    clone.set_params(
        fetch={"source": str(export)},
        search={"families": {"logistic": 1, "lightgbm": 1}},
    )
    said = clone.must("dvc", "repro", "--verbose")
    for command in ("skipcast refresh", "skipcast report", "dvc metrics show"):
        said += clone.must(*command.split())
    (clone.folder / "said.log").write_text(said)
    (clone.folder / "dump.sql").write_text(clone.must("python", "-c", DUMP))
    return clone


def test_the_pipeline_has_read_all_of_it(clone, marks):
    plays = pd.read_parquet(clone.folder / "data/plays")
    assert plays["listener_id"].nunique() == 2
    assert "training_set" in (clone.folder / "dump.sql").read_text()
    assert (clone.folder / "reports/promotion.json").exists()
    names = pd.read_parquet(clone.folder / "data/names.parquet")
    music = names[names["kind"].isin(["artist", "track"])]
    assert music["name"].str.startswith(marks.name).all()


@pytest.mark.parametrize("folder", ["folder", "home"])
def test_nothing_that_is_private_is_anywhere(clone, marks, folder):
    place = clone.folder if folder == "folder" else Path(clone.env["HOME"])
    assert holders(place, marks.private) == set()


def test_names_are_in_the_local_look_up_alone(clone, marks):
    assert holders(clone.folder, marks.name) == {"data/names.parquet"}
    assert holders(Path(clone.env["HOME"]), marks.name) == set()


def test_listeners_are_named_on_the_terminal_and_in_the_local_look_up_alone(clone, marks):
    assert holders(clone.folder, marks.listener) == {"data/names.parquet", "said.log"}


def test_figures_with_names_are_in_the_folder_of_listening_alone(clone):
    folder = clone.folder / "reports/listening"
    drawn = {path.read_bytes() for path in folder.rglob("*.png")}
    assert len(drawn) == 2 * 4 + 1
    assert "reports/listening" in (clone.folder / "said.log").read_text()  # `report` drew them
    others = (path for path in clone.folder.rglob("*") if not path.is_relative_to(folder))
    assert [path for path in others if path.is_file() and path.read_bytes() in drawn] == []


def test_names_stay_out_of_git_and_of_the_cache_of_dvc(clone, marks):
    assert "names.parquet" not in clone.must("git", "status", "--short", "--untracked-files=all")
    store = clone.folder.parent / "store"
    clone.must("dvc", "remote", "add", "--default", "store", str(store))
    clone.must("dvc", "push")
    assert len(holders(store, "")) > 3
    assert holders(store, marks.name) == set()


# Leaks that were planted


@pytest.mark.parametrize("kind", ["text", "name", "parquet", "zip", "gzip", "sqlite"])
def test_a_marker_in_any_kind_of_file_is_found(tmp_path, kind):
    path = tmp_path / "file"
    table = pd.DataFrame({"a": ["x", "a secret"] * 99})
    if kind == "text":
        path.write_text("a secret")
    elif kind == "name":
        (tmp_path / "a secret").write_text("")
    elif kind == "parquet":
        table.to_parquet(path, compression="zstd")
    elif kind == "zip":
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("a", "a secret" * 99)
    elif kind == "gzip":
        path.write_bytes(gzip.compress(b"a secret" * 99))
    else:
        with sqlite3.connect(path) as connection:
            table.to_sql("t", connection)
    (tmp_path / "other").write_text("nothing")
    assert holders(tmp_path, "a secret") == {"a secret" if kind == "name" else "file"}


def test_a_reader_that_does_not_hash_is_found(tmp_path, monkeypatch, export, marks):
    params = yaml.safe_load((ROOT / "params.yaml").read_text())
    params["fetch"]["source"] = str(export)
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(params))
    monkeypatch.chdir(tmp_path)
    fetch()
    assert holders(tmp_path, marks.name) == {"data/names.parquet"}
    assert holders(tmp_path, marks.private) == set()
    shutil.rmtree(tmp_path / "data")
    monkeypatch.setattr(streaming_history, "_hash", lambda text, _: text)
    fetch()
    assert holders(tmp_path, marks.name) == {"data/names.parquet", "data/plays/part-00000.parquet"}
    leaking = {"data/names.parquet", "data/plays/part-00000.parquet", "data/tracks.parquet"}
    assert holders(tmp_path, marks.private) == leaking
