"""The stage `load` as users type it: into Postgres or none, and after each thing that can fail."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from harness.clones import Clone, make_clone
from harness.servers import postgres_server

from skipcast.parts import Parts, cut, write_parts

PLAYS = Path("data/plays")


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Clone]:
    """Yield a clone with a server of its own, and plays in three parts."""
    clone = make_clone(tmp_path_factory.mktemp("clone"), tmp_path_factory.mktemp("home"))
    clone.set_params(fetch={"twin_sessions": 60}, load={"schema": "typed"})
    with postgres_server() as url:
        clone.env |= {"DATABASE_URL": url, "LOKY_MAX_CPU_COUNT": "2"}
        clone.must("dvc", "repro", "features")
        yield clone


@pytest.fixture(autouse=True)
def _as_before(clone: Clone) -> Iterator[None]:
    """Have params and data after each test as they were before."""
    params, data = clone.folder / "params.yaml", clone.folder / "data"
    kept = clone.folder.with_name("kept")
    shutil.copytree(data, kept)
    text = params.read_text()
    yield
    params.write_text(text)
    shutil.rmtree(data)
    kept.rename(data)


def refused(clone: Clone, *command: str) -> str:
    """Return what a command says that fails."""
    done = clone.run(*command)
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    return done.stderr


def receipt(clone: Clone) -> dict[str, object]:
    content: dict[str, object] = json.loads((clone.folder / "data/receipt.json").read_text())
    return content


def features_hash(clone: Clone) -> str:
    clone.must("skipcast", "features")
    return Parts.read(clone.folder / "data/features", made_by="features").hash


def in_parts(clone: Clone) -> None:
    """Have the same plays in parts of 300."""
    plays = Parts.read(clone.folder / PLAYS, made_by="fetch").whole()
    write_parts(clone.folder / PLAYS, cut(plays, rows=300), made_by="fetch")


def test_features_are_the_same_from_postgres_and_from_files_and_in_parts(clone: Clone) -> None:
    hashes = {}
    for parts in (1, 3):
        for into in ("postgres", "none"):
            clone.set_params(load={"into": into})
            clone.must("skipcast", "load")
            hashes[parts, into] = features_hash(clone)
        in_parts(clone)
    assert hashes[1, "postgres"] == hashes[1, "none"]
    assert hashes[3, "postgres"] == hashes[3, "none"]


def test_none_touches_no_database_and_the_receipt_says_so(
    clone: Clone, monkeypatch: pytest.MonkeyPatch
) -> None:
    clone.set_params(load={"into": "none"})
    monkeypatch.setitem(clone.env, "DATABASE_URL", "postgresql://me:secret-word@127.0.0.1:1/no")
    said = clone.must("skipcast", "load")
    assert "no database, only files: track_features" in said
    assert (receipt(clone)["into"], receipt(clone)["database"]) == ("none", None)
    features_hash(clone)
    clone.set_params(load={"into": "postgres"})
    assert "127.0.0.1:1/no does not" in refused(clone, "skipcast", "load")
    assert receipt(clone)["into"] == "none"


@pytest.mark.parametrize("changes", [{"into": "none"}, {"schema": "other"}])
def test_features_of_other_params_than_were_loaded_are_refused_and_the_remedy_works(
    clone: Clone, changes: dict[str, object]
) -> None:
    clone.set_params(load=changes)
    said = refused(clone, "skipcast", "features")
    assert "data/receipt.json must be of load.into" in said
    clone.must("sh", "-c", said.split("`")[1])
    features_hash(clone)


@pytest.mark.parametrize(
    ("into", "what", "kind"),
    [
        ("postgres", "plays/part-00000.parquet", "missing"),
        ("none", "plays/part-00000.parquet", "damaged"),
        ("postgres", "tracks.parquet", "damaged"),
        ("none", "tracks.parquet", "missing"),
    ],
)
def test_a_file_that_is_missing_or_damaged_is_named_and_the_remedy_works(
    clone: Clone, into: str, what: str, kind: str
) -> None:
    clone.set_params(load={"into": into})
    clone.must("skipcast", "load")
    before = receipt(clone)
    path = clone.folder / "data" / what
    content = path.read_bytes()
    path.unlink()
    if kind == "damaged":
        path.write_bytes(content[:-50])
    said = refused(clone, "skipcast", "load")
    assert f"data/{what} must be" in said
    assert receipt(clone) == before
    clone.must("sh", "-c", said.split("`")[1])
    clone.must("skipcast", "load")


def test_fewer_plays_than_were_loaded_are_told_and_the_remedy_works(clone: Clone) -> None:
    clone.set_params(fetch={"rows": 500})
    clone.must("skipcast", "fetch")
    said = refused(clone, "skipcast", "features")
    assert "data/plays must have the" in said
    clone.must("sh", "-c", said.split("`")[1])
    features_hash(clone)
