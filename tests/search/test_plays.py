"""What a search learns from: samples of whole sessions, and all plays read part by part."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from harness.searches import make_small_job

from skipcast.errors import SkipcastError
from skipcast.features.table import feature_columns
from skipcast.parts import Parts, cut, write_parts
from skipcast.search.plays import read_all, read_sample, takes_all

LEARNING = ("train", "validation")
ALL = 10**9


@pytest.fixture(scope="module")
def table(feature_files):
    return Parts.read(feature_files[0], made_by="features").whole()


@pytest.fixture(scope="module")
def jobs(feature_files, table, tmp_path_factory):
    """The same features in one part and in ten."""
    folder = tmp_path_factory.mktemp("parts") / "features"
    parts = write_parts(folder, cut(table, rows=500), made_by="features")
    assert len(parts) == 10
    one = make_small_job("plays", feature_files)
    return {"one": one, "ten": replace(one, features=folder)}


@pytest.fixture(params=["one", "ten"])
def job(request, jobs):
    return jobs[request.param]


def positions_of(table):
    """Return the plays that each session has in a table, by what identifies them here."""
    return table.groupby("session_id").size()


def chosen(table, plays, part):
    """Return the rows of a table that a sample holds, found by their features."""
    columns = feature_columns(table)
    keys = {row.tobytes() for row in np.concatenate(getattr(plays, part).features)}
    rows = [np.asarray(row, np.float32).tobytes() in keys for row in table[columns].to_numpy()]
    return table[rows & (table["part"] == part).to_numpy()]


@pytest.mark.parametrize("part", LEARNING)
def test_a_sample_is_of_whole_sessions(job, table, part):
    sample = read_sample(job, 1500)
    found = positions_of(chosen(table, sample, part))
    assert found.equals(positions_of(table)[found.index])
    sessions = getattr(sample, part).sessions
    assert (len(found), found.sum()) == (sessions.max() + 1, len(sessions))


def test_a_sample_has_about_as_many_plays_as_are_asked_for(job):
    sample = read_sample(job, 2000)
    plays = len(sample.train.skipped) + len(sample.validation.skipped)
    assert 1600 < plays < 2400


def test_a_sample_has_the_share_of_validation_that_all_have(job):
    shares = [
        len(plays.validation.skipped) / len(plays.train.skipped)
        for plays in (read_sample(job, 2500), read_all(job))
    ]
    assert shares[0] == pytest.approx(shares[1], rel=0.35)


@pytest.mark.parametrize("part", LEARNING)
def test_a_larger_sample_holds_a_smaller_one(job, table, part):
    small, large = (set(chosen(table, read_sample(job, n), part).index) for n in (1000, 2500))
    assert small < large


@pytest.mark.parametrize("count", [1200, ALL])
@pytest.mark.parametrize("part", LEARNING)
def test_a_sample_is_the_same_however_the_plays_are_cut(jobs, count, part):
    one, ten = (getattr(read_sample(jobs[name], count), part) for name in ("one", "ten"))
    assert one.rows == ten.rows
    for name in ("skipped", "sessions", "positions"):
        np.testing.assert_array_equal(getattr(one, name), getattr(ten, name))
    np.testing.assert_array_equal(one.features[0], ten.features[0])
    assert one.features[0].strides == ten.features[0].strides  # some sums depend on it


def test_another_seed_takes_another_sample(jobs):
    other = jobs["one"].params.search.model_copy(update={"seed": 5})
    job = replace(jobs["one"], params=jobs["one"].params.model_copy(update={"search": other}))
    skipped = [read_sample(each, 1500).train.skipped.tolist() for each in (jobs["one"], job)]
    assert skipped[0] != skipped[1]


@pytest.mark.parametrize("part", LEARNING)
def test_all_plays_are_those_of_the_part_in_order(job, table, part):
    plays = getattr(read_all(job), part)
    expected = table[table["part"] == part]
    np.testing.assert_array_equal(
        np.concatenate([features for features, _ in plays.parts()]),
        expected[feature_columns(table)].to_numpy(np.float32),
    )
    np.testing.assert_array_equal(plays.skipped, expected["skipped"])
    np.testing.assert_array_equal(plays.positions, expected["session_position"])
    np.testing.assert_array_equal(plays.sessions, pd.factorize(expected["session_id"])[0])


def test_of_all_plays_one_part_is_read_at_a_time(jobs, monkeypatch):
    plays, read = read_all(jobs["ten"]).train, []
    original = Parts.part
    monkeypatch.setattr(Parts, "part", lambda *args: read.append(args[1]) or original(*args))
    assert len(plays.features[3]) == plays.rows[3]
    assert read == [3]
    assert len(plays.features) == 10
    with pytest.raises(IndexError):
        plays.features[10]


@pytest.mark.parametrize(
    ("count", "expected"),
    # Of 5,000 plays, 15 % test.
    [(1000, False), (3900, False), (4400, True), (ALL, True)],
)
def test_trials_take_all_plays_where_the_sample_would_be_as_large(jobs, count, expected):
    search = jobs["one"].params.search.model_copy(update={"plays": count})
    params = jobs["one"].params.model_copy(update={"search": search})
    assert takes_all(replace(jobs["one"], params=params)) == expected


def test_a_sample_that_takes_all_is_all(job):
    for part in LEARNING:
        sample, whole = (getattr(plays, part) for plays in (read_sample(job, ALL), read_all(job)))
        np.testing.assert_array_equal(sample.features[0], np.concatenate([*whole.features]))


def test_a_sample_without_plays_is_refused(job):
    match = r"sessions must have .* but 0 plays have not both\. Raise search\.plays or"
    with pytest.raises(SkipcastError, match=match):
        read_sample(job, 1)


def test_a_part_that_was_damaged_since_is_named(jobs, tmp_path, table):
    parts = write_parts(tmp_path / "features", cut(table, rows=2000), made_by="features")
    plays = read_all(replace(jobs["one"], features=parts.folder))
    path = parts.folder / "part-00001.parquet"
    path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(SkipcastError, match=r"part-00001.*dvc repro --force features"):
        [*plays.train.parts()]
