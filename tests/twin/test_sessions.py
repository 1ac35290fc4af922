import datetime

import numpy as np
import pytest

from skipcast.schema import MSSD_LOG, SYNTHETIC_PREFIX, names
from skipcast.sessions import check_positions
from skipcast.twin.catalogue import CATALOGUE, make_catalogue
from skipcast.twin.listeners import read_habits
from skipcast.twin.sessions import World, log_schema, make_sessions, session_ids

N = 3000
DAY = datetime.date(2018, 7, 15)


@pytest.fixture(scope="module")
def world():
    catalogue = make_catalogue(np.random.default_rng(0))
    return World(catalogue, read_habits(), np.zeros(CATALOGUE, dtype=bool))


@pytest.fixture(scope="module")
def tables(world):
    return make_sessions(session_ids(0, 0, N), DAY, world, np.random.default_rng(0))


@pytest.fixture(scope="module")
def plays(tables):
    return tables[0].to_pandas()


@pytest.fixture(scope="module")
def oracle(tables):
    return tables[1].to_pandas()


def test_plays_have_the_official_columns_in_official_order(tables):
    assert tables[0].schema.names == names(MSSD_LOG)


def test_plays_have_the_types_of_the_files(tables):
    assert tables[0].cast(log_schema()).num_rows == tables[0].num_rows


def test_positions_count_from_1_in_every_session(plays):
    check_positions(plays["session_id"].array, plays["session_position"].to_numpy())


def test_every_session_is_as_long_as_it_says(plays):
    sessions = plays.groupby("session_id")
    assert (sessions["session_length"].first() == sessions.size()).all()


def test_session_ids_say_that_they_are_synthetic():
    assert session_ids(7, 0, 1)[0].as_py().startswith(SYNTHETIC_PREFIX)


def test_session_ids_go_on_where_the_last_chunk_ended():
    assert session_ids(7, 2, 1) == session_ids(7, 0, 3)[2:]


@pytest.mark.parametrize(("outcome", "implied"), [("skip_1", "skip_2"), ("skip_2", "skip_3")])
def test_an_earlier_skip_implies_the_later_one(plays, outcome, implied):
    assert plays.loc[plays[outcome], implied].all()


def test_a_skip_excludes_not_skipped(plays):
    assert not (plays["skip_3"] & plays["not_skipped"]).any()


def test_each_play_is_the_first_or_has_no_pause_or_a_long_one(plays):
    first = (plays["session_position"] == 1).astype(int)
    assert (first + plays["no_pause_before_play"] + plays["long_pause_before_play"] == 1).all()


def test_a_short_pause_is_a_long_one_too(plays):
    assert (plays["short_pause_before_play"] <= plays["long_pause_before_play"]).all()


@pytest.mark.parametrize(
    ("ended", "starts"),
    [
        ("fwdbtn", "fwdbtn"),
        ("trackdone", "trackdone"),
        ("backbtn", "backbtn"),
        ("endplay", "clickrow"),
    ],
)
def test_the_start_of_a_play_restates_the_end_of_the_play_before(plays, ended, starts):
    after = (plays["hist_user_behavior_reason_end"].shift(1) == ended) & (
        plays["session_position"] > 1
    )
    assert (plays.loc[after, "hist_user_behavior_reason_start"] == starts).mean() > 0.9


def test_most_sessions_are_of_the_day_of_their_file(plays):
    dates = plays.drop_duplicates("session_id")["date"]
    assert (dates == str(DAY)).mean() == pytest.approx(0.71, abs=0.03)


def test_seeks_are_rare_and_never_negative(plays):
    seeks = plays["hist_user_behavior_n_seekfwd"]
    assert seeks.min() == 0
    assert (seeks > 0).mean() < 0.1


def test_the_tracks_of_the_plays_are_marked(plays, world):
    numbers = plays["track_id_clean"].str[-7:].astype(int)
    assert set(np.flatnonzero(world.is_played)) == set(numbers)


def test_the_oracle_has_a_row_for_each_play(oracle, plays):
    keys = ["session_id", "session_position"]
    assert oracle[keys].equals(plays[keys])


def test_the_oracle_is_calibrated(oracle, plays):
    tenth = (oracle["probability"] * 10).astype(int)
    gap = oracle["probability"].groupby(tenth).mean() - plays["skip_2"].groupby(tenth).mean()
    assert gap.abs().max() < 0.03


def test_the_oracle_is_as_accurate_as_the_best_that_is_published(oracle, plays):
    assert 0.80 < ((oracle["probability"] > 0.5) == plays["skip_2"]).mean() < 0.84
