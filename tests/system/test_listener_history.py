"""A listener's history where it answers: by a real server, by files, and counted in SQL."""

import mlflow
import numpy as np
import pandas as pd
import pytest
from harness.clients import records, requests
from harness.listener_models import listener_model, track_table
from harness.listening import listening
from harness.searches import make_small_job
from harness.servers import model_server
from harness.tables import load_frames

from skipcast.clients import batch
from skipcast.database.server import connect
from skipcast.features.listener_counts import count_listeners
from skipcast.features.table import feature_table
from skipcast.files import write_parquet
from skipcast.params import Split
from skipcast.parts import write_parts
from skipcast.schema import LISTENER_COUNTS, LISTENER_GROUPS, TRACK, names
from skipcast.search.trials import search
from skipcast.split import split_sessions

PARAMS = {"score_history": True}
DAYS = {"2023-11-17", "2023-11-19", "2023-11-22"}  # of the last plays of three listeners


@pytest.fixture(scope="module")
def model(tracking):
    assert tracking
    return listener_model(11)


@pytest.fixture(scope="module")
def following(model):
    """Return the sessions that come after the table, as a client sends them."""
    return requests(model.plays[model.is_next], 99)


@pytest.fixture(scope="module")
def expected(model):
    """Return what the stage on all plays gives for these sessions."""
    return model.expected(model.plays)[model.is_next].tolist()


@pytest.fixture(scope="module")
def endpoint(model, tmp_path_factory):
    with model_server(model.uri, tmp_path_factory.mktemp("server") / "log") as endpoint:
        yield endpoint


def test_the_endpoint_answers_the_next_session_with_the_bits_of_the_stage(
    endpoint, following, expected
):
    status, answer = endpoint.post({"dataframe_records": records(following), "params": PARAMS})
    assert status == 200, answer
    assert [row["skip_probability"] for row in answer["predictions"]] == expected
    assert {row["history_until"] for row in answer["predictions"]} == DAYS


def test_the_endpoint_answers_csv_alike(endpoint, following, expected):
    """CSV has no params: the last plays alone are scored."""
    text = following.to_csv(index=False)
    status, answer = endpoint.send(text.encode(), "text/csv")
    assert status == 200, answer
    is_open = following["skip_2"].isna().tolist()
    found = [row["skip_probability"] for row in answer["predictions"]]
    assert found == [p if o else None for p, o in zip(expected, is_open, strict=True)]


def test_the_endpoint_takes_the_listeners_columns_inline(endpoint, model):
    """All that the stage knew of any session, whatever the table knows now."""
    plays = model.plays.head(200)
    inline = requests(plays, 10**6).join(plays[names(LISTENER_COUNTS)])
    content = {"dataframe_records": records(inline), "params": PARAMS}
    _, answer = endpoint.post(content)
    found = [row["skip_probability"] for row in answer["predictions"]]
    assert found == model.expected(plays).tolist()


def test_the_endpoint_refuses_columns_that_contradict_each_other(endpoint, following):
    wrong = following.assign(listener_plays=1, listener_skips=2, listener_full_listens=0)
    status, answer = endpoint.post({"dataframe_records": records(wrong)})
    assert status == 400
    assert "listener_skips must be no more than listener_plays but got 2" in answer["message"]


@pytest.mark.parametrize("name", ["plays.csv", "plays.parquet"])
def test_files_are_scored_with_the_bits_of_the_stage(model, following, expected, tmp_path, name):
    write = following.to_parquet if name.endswith("parquet") else following.to_csv
    write(tmp_path / name, index=False)
    target = tmp_path / "answers.parquet"
    batch.predict(tmp_path / name, target, model.uri, history=True)
    answer = pd.read_parquet(target)
    assert answer["skip_probability"].tolist() == expected
    assert set(answer["history_until"]) == DAYS


@pytest.fixture(scope="module")
def history_files(model, tmp_path_factory):
    """Return the paths of features, tracks and listeners as the stage `features` writes them."""
    folder, plays = tmp_path_factory.mktemp("data"), model.plays
    parts = split_sessions(plays, Split(validation=0.2, test=0.2, seed=0))
    table = feature_table(plays, "started", LISTENER_GROUPS, parts=parts)
    write_parts(folder / "features", [table], made_by="features")
    write_parquet(folder / "tracks.parquet", track_table(plays))
    write_parquet(folder / "listeners.parquet", count_listeners(plays, parts == "train")[1])
    return folder / "features", folder / "tracks.parquet", folder / "listeners.parquet"


def test_a_search_logs_models_that_carry_what_training_knew_of_listeners(
    history_files, model, postgres
):
    job = make_small_job(
        "listened", history_files, groups=LISTENER_GROUPS, families={"logistic": 1, "lightgbm": 1}
    )
    result = search(job, postgres)
    for best in result.families.values():
        served = mlflow.pyfunc.load_model(best.model_uri)
        inline = requests(model.plays, 10**6).join(model.plays[names(LISTENER_COUNTS)])
        answers = [served.predict(plays) for plays in (inline, requests(model.plays, 10**6))]
        assert answers[0]["history_until"].notna().all()
        assert answers[0]["skip_probability"].notna().any()
        assert not answers[0]["skip_probability"].equals(answers[1]["skip_probability"])
        folder = mlflow.artifacts.download_artifacts(best.model_uri)
        carried = pd.read_parquet(f"{folder}/artifacts/listeners.parquet")
        pd.testing.assert_frame_equal(carried, pd.read_parquet(history_files[2]))


QUERY = """
SELECT {columns} FROM oracle_listeners.training_set p, {laterals}
ORDER BY p.session_id COLLATE "C", p.session_position
"""
LATERAL = """
LATERAL (
    SELECT count(*) AS plays,
        coalesce(sum(skip), 0) AS skips,
        coalesce(sum(heard), 0) AS full_listens,
        sum(skip * power(0.5, lag / 5.0)) FILTER (WHERE lag < 20)
            / sum(power(0.5, lag / 5.0)) FILTER (WHERE lag < 20) AS recent_skip_rate,
        max(skip) FILTER (WHERE lag = 0) AS last_skipped,
        max(started_at) FILTER (WHERE lag = 0) AS last_at
    FROM (
        SELECT skip_2::int AS skip, not_skipped::int AS heard, started_at,
            row_number() OVER (
                ORDER BY session_id COLLATE "C" DESC, session_position DESC
            ) - 1 AS lag
        FROM oracle_listeners.training_set e
        WHERE e.listener_id = p.listener_id AND {same}
            AND e.session_id COLLATE "C" < p.session_id COLLATE "C" AND e.skip_2 IS NOT NULL
    ) AS earlier
) AS {key}"""
SAME = {
    "listener": "true",
    "listener_track": "e.track_id_clean = p.track_id_clean",
    "listener_artist": "e.artist_id = p.artist_id",
}


@pytest.fixture(scope="module")
def oracle(postgres):
    """Return what listeners did before each play, by us and by Postgres."""
    plays = listening(2, sessions=60)
    tracks = track_table(plays).iloc[:-1][names(TRACK)]
    columns = names(LISTENER_COUNTS)
    query = QUERY.format(
        columns=", ".join(f"{key}.{name.removeprefix(key + '_')}" for key, name in _keyed(columns)),
        laterals=", ".join(LATERAL.format(key=key, same=same) for key, same in SAME.items()),
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DATABASE_URL", postgres)
        load_frames([plays], tracks, schema="oracle_listeners")
        with connect() as connection, connection.cursor() as cursor:
            cursor.execute(query)
            rows = cursor.fetchall()
    return count_listeners(plays)[0], pd.DataFrame(rows, columns=columns, dtype=np.float64)


def _keyed(columns):
    longest_first = sorted(SAME, key=len, reverse=True)
    return [(next(key for key in longest_first if c.startswith(f"{key}_")), c) for c in columns]


@pytest.mark.parametrize("name", names(LISTENER_COUNTS))
def test_sql_counts_the_same(oracle, name):
    ours, expected = (table[name].astype(float) for table in oracle)
    np.testing.assert_allclose(ours, expected, rtol=1e-12)
