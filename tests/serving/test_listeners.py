"""What a model knows of listeners: its table, and answers with and without it."""

from pathlib import Path

import mlflow
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from harness.clients import requests
from harness.listener_models import is_last_session, listener_model
from harness.listening import listening, with_history
from harness.models import log
from mlflow.exceptions import MlflowException

from skipcast.clients.drift import COUNTED
from skipcast.errors import SkipcastError
from skipcast.features.build import feature_set
from skipcast.features.listener_counts import COLUMNS, count_listeners
from skipcast.schema import LISTENER_COUNTS, LISTENER_KNOWN, names
from skipcast.serving.listeners import LISTENERS, Listeners, read_listeners

HISTORY = {"score_history": True}


@pytest.fixture(scope="module")
def model(tracking):
    assert tracking
    return listener_model(5)


@pytest.fixture(scope="module")
def following(model):
    """Return the sessions that come after the table, each with its last play open."""
    return requests(model.plays[model.is_next], 99)


def as_table(frame):
    return pa.Table.from_pandas(frame, preserve_index=False)


@pytest.mark.parametrize("seed", range(5))
def test_the_next_session_has_the_bits_of_the_stage(seed):
    plays = with_history(listening(seed))
    is_next = is_last_session(plays)
    listeners = Listeners(as_table(count_listeners(plays[~is_next])[1]))
    ids = (plays.loc[is_next, n] for n in ("listener_id", "track_id_clean", "artist_id"))
    found = pd.DataFrame(dict(listeners.look_up(*(column.tolist() for column in ids))))
    expected = plays.loc[is_next, names(LISTENER_COUNTS)].astype(float)
    pd.testing.assert_frame_equal(found, expected.reset_index(drop=True), check_exact=True)


def test_the_table_says_until_when_it_knows_each_listener(model):
    before = model.plays[~model.is_next]
    listeners = Listeners(as_table(count_listeners(before)[1]))
    latest = before[before["skip_2"].notna()].groupby("listener_id")["started_at"].max()
    days = pd.to_datetime(latest, unit="s").dt.strftime("%Y-%m-%d")
    assert listeners.until([*days.index, "new", None]).tolist() == [*days, None, None]


def test_a_listener_whose_starts_are_unknown_has_no_day():
    plays = listening(0).assign(started_at=np.nan)
    listeners = Listeners(as_table(count_listeners(plays)[1]))
    assert listeners.until(["listener0"]).tolist() == [None]


def test_an_empty_table_knows_nobody():
    listeners = Listeners(as_table(count_listeners(listening(0).assign(listener_id=None))[1]))
    assert listeners.look_up(["a"], ["b"], ["c"])["listener_track_plays"].tolist() == [0]


def test_a_table_that_lacks_a_column_is_refused(tmp_path):
    table = count_listeners(listening(0))[1].drop(columns="skips")
    pq.write_table(as_table(table), tmp_path / LISTENERS)
    with pytest.raises(SkipcastError, match=r"lacks skips\. `dvc repro --force search`"):
        read_listeners(tmp_path / LISTENERS)


def test_the_model_answers_the_next_session_as_the_stage_does(model, following):
    answer = model.served.predict(following, HISTORY)
    expected = model.expected(model.plays)[model.is_next]
    np.testing.assert_array_equal(answer["skip_probability"], expected)


def test_inline_columns_have_the_bits_of_the_stage_for_any_session(model):
    inline = model.plays[names(LISTENER_COUNTS)]
    request = requests(model.plays, 10**6).join(inline)
    answer = model.served.predict(request, HISTORY)
    np.testing.assert_array_equal(answer["skip_probability"], model.expected(model.plays))


def test_inline_columns_take_the_place_of_a_key_of_the_table(model, following):
    """A null beside the plays of the key means that there is none, not what the table has."""
    nothing = dict.fromkeys(COLUMNS["listener_track"][:3], 0)
    nothing |= dict.fromkeys(COLUMNS["listener_track"][3:], np.nan)
    answer = model.served.predict(following.assign(**nothing), HISTORY)
    expected = model.expected(model.plays.assign(**nothing))[model.is_next]
    np.testing.assert_array_equal(answer["skip_probability"], expected)


@pytest.mark.parametrize("change", [{"listener_id": "new"}, {"listener_id": None}])
def test_a_listener_that_the_model_does_not_know_has_no_history(model, following, change):
    answer = model.served.predict(following.assign(**change), HISTORY)
    never = count_listeners(model.plays.assign(listener_id=None))[0]
    expected = model.expected(model.plays.assign(**never))[model.is_next]
    np.testing.assert_array_equal(answer["skip_probability"], expected)
    assert answer["history_until"].isna().all()


def test_plays_without_columns_of_a_listener_are_answered(model, following):
    plain = following.drop(columns=["listener_id", "artist_id", "started_at"])
    answer = model.served.predict(plain, HISTORY)
    assert answer["skip_probability"].notna().all()


def test_the_answer_says_until_when_the_listener_is_known(model, following):
    answer = model.served.predict(following)
    before = model.plays[~model.is_next & model.plays["skip_2"].notna()]
    latest = before.groupby("listener_id")["started_at"].max()
    expected = pd.to_datetime(following["listener_id"].map(latest), unit="s")
    assert answer["history_until"].tolist() == expected.dt.strftime("%Y-%m-%d").tolist()


def test_a_session_of_two_listeners_is_refused(model, following):
    mixed = following.assign(listener_id=[*following["listener_id"][:-1], "x"])
    with pytest.raises(MlflowException, match="listener_id must be the same for a session but got"):
        model.served.predict(mixed)


def test_only_a_model_of_histories_carries_a_table(logged_model, model):
    folders = [
        Path(mlflow.artifacts.download_artifacts(uri), "artifacts")
        for uri in (model.uri, logged_model().uri)
    ]
    assert [(folder / LISTENERS).is_file() for folder in folders] == [True, False]


def test_a_model_of_other_groups_answers_as_if_there_were_no_listener(logged_model, following):
    plain = following.drop(columns=["listener_id", "artist_id", "started_at"])
    answers = [logged_model().served.predict(request) for request in (plain, following)]
    pd.testing.assert_frame_equal(*answers)
    assert answers[0]["history_until"].isna().all()


def test_a_model_of_histories_must_be_given_the_table(model):
    with pytest.raises(ValueError, match="listeners must be given"):
        log(model.fitted, pd.DataFrame(), family="lightgbm", groups=("listener_history",))


def test_new_tracks_are_no_news_to_a_model_that_asks_nothing_of_tracks(model, following):
    new = following.assign(track_id_clean="new")
    answer = model.served.predict(new)
    assert not answer["track_known"].any()
    summary = model.served.unwrap_python_model().summarise(new, answer)
    assert summary["unknown_tracks"] == 0


def test_what_grows_with_every_session_is_no_drift():
    assert set(feature_set("started", ("listener_history",)).names) <= COUNTED


INLINE = {
    "listener_plays": [3, 3, 0],
    "listener_skips": [1, 3, 0],
    "listener_full_listens": [2, 0, 0],
    "listener_recent_skip_rate": [0.25, 1, None],
    "listener_last_skipped": [False, True, None],
    "listener_last_at": [None, 1_700_000_000, None],
}
REFUSED = [
    ({"listener_plays": [-1, 3, 0]}, "listener_plays must be a whole number from 0 .* got -1"),
    ({"listener_recent_skip_rate": [1.5, 1, None]}, "recent_skip_rate must be .* but got 1.5"),
    ({"listener_skips": [1, 4, 0]}, "listener_skips must be no more than listener_plays but got 4"),
    ({"listener_skips": [1, None, 0]}, "listener_skips must be given where listener_plays is, but"),
    ({"listener_full_listens": [3, 0, 0]}, "no more than listener_plays that were not .* got 3"),
    ({"listener_plays": [None, 3, 0]}, "listener_skips must be given where listener_plays is, but"),
    ({"listener_recent_skip_rate": [0.5, 1, 0]}, "only there, but got 0 in row 3"),
    ({"listener_last_skipped": [None, 1, None]}, "given where listener_plays is above 0, .* null"),
    ({"listener_last_skipped": [0, 0, None]}, "last_skipped must be what listener_skips allows"),
    ({"listener_last_at": [None, None, 5]}, "last_at must be null where listener_plays is not"),
    ({"started_at": [-5, 0, 0]}, "started_at must be a whole number .* but got -5"),
    ({"started_at": [1.7e12, 0, 0]}, "started_at must be .* but got 1.7e.12"),  # milliseconds
    ({"listener_id": [7, 7, 7]}, "listener_id must be text or null but got 7"),
    ({"artist_id": [["a"], "b", "c"]}, "artist_id must be text or null but got .'a'."),
]


@pytest.mark.parametrize(("change", "match"), REFUSED)
def test_refuses_columns_that_contradict_each_other(model, change, match):
    request = pd.DataFrame(
        {
            "session_id": "s",
            "session_position": [1, 2, 3],
            "track_id_clean": "t",
            "skip_2": [True, False, None],
        }
        | INLINE
        | change,
        dtype=object,
    )
    with pytest.raises(MlflowException, match=match):
        model.served.predict(request)


def test_takes_columns_that_agree(model):
    request = pd.DataFrame(
        {"session_id": "s", "session_position": [1, 2, 3], "track_id_clean": "t"}
        | {"skip_2": [True, False, None]}
        | INLINE,
        dtype=object,
    )
    assert model.served.predict(request, HISTORY)["skip_probability"].notna().all()


def test_the_columns_are_those_of_the_schema():
    assert [name for key in COLUMNS.values() for name in key] == [*LISTENER_KNOWN]
