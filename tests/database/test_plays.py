"""Plays of parts read back: from Postgres and from files the same; what was not loaded is told."""

import numpy as np
import pandas as pd
import pytest
from harness.exports import evening, write_export
from harness.tables import load_frames

from skipcast.archive.streaming_history import read_history
from skipcast.artifacts import LoadReceipt
from skipcast.database import plays as module
from skipcast.database.plays import check_loaded, open_plays, read_plays
from skipcast.database.server import connect
from skipcast.database.tables import fingerprint_files
from skipcast.errors import SkipcastError
from skipcast.features.table import join_tracks
from skipcast.files import write_parquet
from skipcast.params import Load
from skipcast.parts import write_parts
from skipcast.schema import ALWAYS, LOG, TRACK, names

pytestmark = pytest.mark.usefixtures("postgres")
SCHEMA = "reading"
PARAMS = {n: Load.model_validate({"into": n, "schema": SCHEMA}) for n in ("postgres", "none")}


@pytest.fixture(scope="module")
def twins(plays_and_tracks):
    """Return the plays of the twin, sorted, in three parts, none of whose ids are neighbours."""
    plays = plays_and_tracks[0].sort_values(["session_id", "session_position"], ignore_index=True)
    numbers = plays["session_id"].factorize()[0] % 3
    return [plays[numbers == number].reset_index(drop=True) for number in range(3)]


def tracks_of(frames):
    """Return tracks of which nothing is known, as of a listener's history."""
    ids = pd.concat(frames)["track_id_clean"].drop_duplicates()
    return pd.DataFrame({"track_id": ids}).reindex(columns=names(TRACK))


@pytest.fixture
def load(tmp_path, monkeypatch):
    """Return what loads frames, and returns the receipt and the files, as the stage does."""

    def load(frames, tracks, into="postgres"):
        files = write_parts(tmp_path / "plays", frames, made_by="fetch")
        monkeypatch.setattr(module, "TRACKS", tmp_path / "tracks.parquet")
        write_parquet(module.TRACKS, tracks)
        if into == "none":
            tables = fingerprint_files(files, module.TRACKS)
        else:
            tables = load_frames(frames, tracks, schema=SCHEMA)
        receipt = LoadReceipt(
            into=into,
            database=None,
            schema=SCHEMA,
            synthetic=True,
            listeners=False,
            tables=tables,
        )
        return receipt, files

    return load


def read(receipt, files, columns=None):
    """Return all parts as the stage `features` reads them."""
    with check_loaded(receipt, PARAMS[receipt.into], files), open_plays(receipt, files) as loaded:
        return [loaded.part(number, columns) for number in range(len(files))]


@pytest.fixture(scope="module")
def history(tmp_path_factory):
    """Return the plays of a listener's own history, and their tracks."""
    rows = [play for day in range(9) for play in evening(start=day * 86_400)]
    read = read_history(write_export(tmp_path_factory.mktemp("export") / "mine.zip", rows))
    return [read.plays], read.tracks


@pytest.mark.parametrize("source", ["twin", "history"])
@pytest.mark.parametrize("columns", [None, ["track_id_clean", "skip_2"], ["skip_3", "session_id"]])
def test_parts_are_the_same_from_postgres_and_from_files(
    load, twins, plays_and_tracks, history, source, columns
):
    frames, tracks = (twins, plays_and_tracks[1]) if source == "twin" else history
    loaded = read(*load(frames, tracks), columns)
    left = read(*load(frames, tracks, into="none"), columns)
    assert len(loaded) == len(left) == len(frames)
    for one, other in zip(loaded, left, strict=True):
        assert list(one) == (columns or names(LOG))
        pd.testing.assert_frame_equal(one, other[list(one)])


def test_values_that_a_history_lacks_are_null(load, three_plays):
    plays = three_plays[names(LOG)].astype(object)
    plays.loc[1, [name for name in plays if name not in ALWAYS]] = None
    plays["started_at"] = [1_700_000_000, None, 1_700_000_000]
    receipt, files = load([plays], tracks_of([plays]))
    (part,) = read(receipt, files)
    assert part.drop(columns=[*ALWAYS]).iloc[1].isna().all()
    assert part["skip_2"].tolist() == [True, None, True]
    assert part["started_at"].tolist()[::2] == [1_700_000_000] * 2


@pytest.mark.parametrize("ids", [("B", "a", "Ä"), ("a-1", "a1", "a_1"), ("1", "10", "9")])
def test_ids_come_in_the_order_of_their_bytes_whatever_the_database_says(load, three_plays, ids):
    plays = three_plays[names(LOG)]
    shuffled = pd.concat([plays.assign(session_id=id_) for id_ in reversed(ids)])[::-1]
    receipt, files = load([shuffled], tracks_of([plays]))
    (part,) = read(receipt, files)
    assert part["session_id"].tolist() == np.repeat(sorted(ids), 3).tolist()
    assert part["session_position"].tolist() == [1, 2, 3] * 3


@pytest.mark.parametrize("id_", ["o'clock", "100%", "a\\b", '"', "ä ö", "{a,b}", "a\nb"])
def test_any_id_is_found(load, three_plays, id_):
    plays = three_plays[names(LOG)].assign(session_id=id_)
    receipt, files = load([plays], tracks_of([plays]))
    assert read(receipt, files)[0]["session_id"].tolist() == [id_] * 3


def test_sessions_that_are_not_there_have_no_plays(load, three_plays):
    load([three_plays], tracks_of([three_plays]))
    with connect() as connection:
        plays = read_plays(connection, ["s", "no"], schema=SCHEMA)
        assert plays["session_id"].tolist() == ["s"] * 3
        assert read_plays(connection, ["no"], schema=SCHEMA).empty
        assert read_plays(connection, [], schema=SCHEMA).empty


def test_a_join_with_tracks_is_that_of_the_database(load, twins, plays_and_tracks):
    receipt, files = load(twins, plays_and_tracks[1])
    ours = join_tracks(read(receipt, files)[1], plays_and_tracks[1])
    columns = names(LOG + TRACK[1:])
    with connect() as connection, connection.cursor() as cursor:
        cursor.execute(
            f"SELECT {', '.join(columns)} FROM {SCHEMA}.training_set "
            f"JOIN {SCHEMA}.track_features f ON f.track_id = track_id_clean "
            f"JOIN {SCHEMA}.acoustic_vectors v ON v.track_id = track_id_clean "
            'ORDER BY session_id COLLATE "C", session_position'
        )
        theirs = pd.DataFrame(cursor.fetchall(), columns=columns)
    theirs = theirs[theirs["session_id"].isin(ours["session_id"])].reset_index(drop=True)
    pd.testing.assert_frame_equal(ours[columns], theirs.astype(ours.dtypes[columns]))


@pytest.mark.parametrize("into", ["postgres", "none"])
def test_other_plays_than_were_loaded_are_told(load, twins, plays_and_tracks, into, tmp_path):
    receipt, _ = load(twins, plays_and_tracks[1], into)
    fewer = write_parts(tmp_path / "plays", twins[:2], made_by="fetch")
    with pytest.raises(SkipcastError, match=r"plays must have the .*`dvc repro --force load`"):
        read(receipt, fewer)


def test_other_plays_of_the_same_number_are_told(load, twins, plays_and_tracks, tmp_path):
    receipt, _ = load(twins[:1], plays_and_tracks[1])
    others = twins[0].assign(session_id=twins[0]["session_id"] + "x")
    files = write_parts(tmp_path / "plays", [others], made_by="fetch")
    with pytest.raises(SkipcastError, match=r"part 0 of .* but got 0.*`dvc repro --force load`"):
        read(receipt, files)


@pytest.mark.parametrize("what", ["plays", "tracks"])
def test_files_that_changed_since_are_told_where_no_database_holds_them(
    load, twins, plays_and_tracks, what, tmp_path
):
    receipt, files = load(twins, plays_and_tracks[1], "none")
    if what == "plays":
        others = [frame.assign(hour_of_day=3) for frame in twins]
        files = write_parts(tmp_path / "plays", others, made_by="fetch")
    else:
        write_parquet(module.TRACKS, plays_and_tracks[1].assign(tempo=90.0))
    with pytest.raises(SkipcastError, match=r"must be those that the stage load found"):
        read(receipt, files)


@pytest.mark.parametrize("into", ["postgres", "none"])
def test_params_that_ask_for_another_place_are_told(load, twins, plays_and_tracks, into):
    receipt, files = load(twins, plays_and_tracks[1], into)
    other = {"postgres": "none", "none": "postgres"}[into]
    with (
        pytest.raises(SkipcastError, match=rf"must be of load.into {other} .*`dvc repro load`"),
        check_loaded(receipt, PARAMS[other], files),
    ):
        pass


def test_nobody_loads_while_parts_are_read(load, twins, plays_and_tracks):
    receipt, files = load(twins, plays_and_tracks[1])
    with check_loaded(receipt, PARAMS["postgres"], files):
        with connect() as connection, connection.cursor() as cursor:
            cursor.execute("SELECT pg_try_advisory_lock(hashtextextended('load reading', 0))")
            assert cursor.fetchone() == (False,)
        assert len(read(receipt, files)) == 3  # but others read
