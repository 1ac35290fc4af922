"""The real server: every format, the same bits everywhere, and whatever a client may get wrong."""

import gzip
import io
import json
import random
import threading
import time
from collections import Counter
from pathlib import Path

import jsonschema
import mlflow
import numpy as np
import pandas as pd
import pytest
from conftest import fit
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from scoring import JSON, records, requests, serving

from skipcast.clients.batch import predict
from skipcast.errors import SkipcastError
from skipcast.features.build import ALL, build_features
from skipcast.models.families import FAMILIES
from skipcast.schema import INPUTS, OUTCOMES, TARGET, names
from skipcast.serving.packaging import log_model

SCHEMA = json.loads((Path(__file__).parents[2] / "docs/serving.schema.json").read_text())
BODIES = 400
SECONDS = 10  # of good and bad requests at once; benchmarks/serving.py takes a minute
CSV, PARQUET = "text/csv", "application/vnd.apache.parquet"
LEAKS = ("Traceback", "site-packages", 'File "', str(Path(__file__).parents[2]))


@pytest.fixture(scope="module")
def fitted_and_uri(plays, plays_and_tracks, tracking):
    features = build_features(plays, "started").to_numpy()
    fitted = fit("xgboost", features, plays[TARGET].to_numpy(), learning_rate=0.3)
    with mlflow.start_run():
        info = log_model(
            fitted, plays_and_tracks[1], family="xgboost", horizon="started", groups=ALL
        )
    return fitted, info.model_uri


@pytest.fixture(scope="module")
def endpoint(fitted_and_uri, tmp_path_factory):
    with serving(fitted_and_uri[1], tmp_path_factory.mktemp("server") / "log") as endpoint:
        yield endpoint


@pytest.fixture(scope="module")
def request_(plays):
    return requests(plays, 4)


@pytest.fixture(scope="module")
def good(endpoint, request_):
    """Return rows of a good request and their answer."""
    rows = records(request_)
    status, answer = endpoint.post({"dataframe_records": rows})
    assert status == 200, answer
    return rows, answer


def valid(content, part):
    jsonschema.validate(content, SCHEMA | {"$ref": f"#/$defs/{part}"})


def test_every_format_gives_the_same_answer_and_fits_the_schema(endpoint, good, request_):
    rows, answer = good
    valid({"dataframe_records": rows}, "request")
    valid(answer, "answer")
    split = json.loads(request_.to_json(orient="split", index=False))
    columns = {name: [row[name] for row in rows] for name in rows[0]}
    for body in ({"inputs": rows}, {"inputs": columns}, {"instances": rows}):
        assert endpoint.post(body) == (200, answer)
    assert endpoint.post({"dataframe_split": split}) == (200, answer)
    for text in (request_.to_csv(index=False), request_.to_csv(index=False).lower()):
        assert endpoint.send(text.encode(), CSV)[1] == answer
    numbers = request_.astype(dict.fromkeys(OUTCOMES, "Int64")).to_csv(index=False)
    assert endpoint.send(numbers.encode(), CSV) == (200, answer)
    file = io.BytesIO()
    request_.to_parquet(file)
    assert endpoint.send(file.getvalue(), PARQUET) == (200, answer)


def test_endpoint_batch_and_stage_give_the_same_bits(endpoint, fitted_and_uri, plays, tmp_path):
    """All sessions: JSON's digits, CSV's and Parquet's bytes are what the booster answers."""
    fitted, uri = fitted_and_uri
    features = build_features(plays, "started")
    expected = FAMILIES["xgboost"].predict(fitted, features.to_numpy())
    request = requests(plays, 10**6)
    last = request[TARGET].isna().to_numpy()
    answers = []
    for start in range(0, len(request), 4000):
        ids = request["session_id"].iloc[start : start + 4000].unique()
        part = request[request["session_id"].isin(ids)]
        status, answer = endpoint.post({"dataframe_records": records(part)})
        assert status == 200
        answers.append(pd.DataFrame(answer["predictions"]).set_axis(part.index))
    merged = pd.concat(answers)
    answered = merged[~merged.index.duplicated()]["skip_probability"].to_numpy(float)
    np.testing.assert_array_equal(answered[last], expected[last])
    assert np.isnan(answered[~last]).all()

    for source in ("plays.csv", "plays.csv.gz", "plays.parquet"):
        if source.endswith("parquet"):
            request.to_parquet(tmp_path / source)
        else:
            request.to_csv(tmp_path / source, index=False)
        target = tmp_path / f"answer-{source}"
        outcome = predict(tmp_path / source, target, uri)
        assert (outcome.plays, outcome.scored) == (len(request), last.sum())
        parquet = source.endswith("parquet")
        exact = {"float_precision": "round_trip"}  # pandas's default loses the last bit
        answer = pd.read_parquet(target) if parquet else pd.read_csv(target, **exact)
        np.testing.assert_array_equal(answer["skip_probability"].to_numpy(), answered)
        assert (answer["track_id_clean"] == request["track_id_clean"].to_numpy()).all()


def test_history_is_scored_when_asked_for(endpoint, good):
    rows, answer = good
    status, history = endpoint.post({"dataframe_records": rows, "params": {"score_history": True}})
    assert status == 200
    valid(history, "answer")
    for one, other in zip(answer["predictions"], history["predictions"], strict=True):
        assert other["skip_probability"] is not None
        assert one["skip_probability"] in (None, other["skip_probability"])


def test_a_queue_is_ranked(endpoint, good, plays):
    rows = good[0][: next(i for i, row in enumerate(good[0]) if row[TARGET] is None) + 1]
    tracks = plays["track_id_clean"].unique()[:8].tolist()
    queue = [{**rows[-1], "track_id_clean": track} for track in tracks]
    status, answer = endpoint.post({"inputs": [*rows[:-1], *queue]})
    assert status == 200
    ranked = answer["predictions"][-8:]
    assert [row["track_id_clean"] for row in ranked] == tracks
    for row, alone in zip(ranked, queue, strict=True):
        assert endpoint.post({"inputs": [*rows[:-1], alone]})[1]["predictions"][-1] == row


def json_of(rows, key="dataframe_records"):
    return json.dumps({key: rows}).encode()


def changed(rows, row, **values):
    return json_of([{**r, **values} if i == row else r for i, r in enumerate(rows)])


MISTAKES = {
    "no header": (lambda r: json_of(r), None, "Content-Type"),
    "another type": (lambda r: json_of(r), "text/plain", "content types"),
    "another charset": (lambda r: json_of(r), f"{JSON}; charset=latin-1", "UTF-8"),
    "truncated": (lambda r: json_of(r)[:-40], JSON, "JSON"),
    "no UTF-8": (lambda r: b"\xff\xfe", JSON, "JSON"),
    "nothing": (lambda r: b"", JSON, "JSON"),
    "a list": (lambda r: json.dumps(r).encode(), JSON, "list"),
    "no format": (lambda r: b"{}", JSON, "input fields"),
    "two formats": (lambda r: b'{"inputs": [], "instances": []}', JSON, "input fields"),
    "nested": (lambda r: b'{"inputs":' + b"[" * 10**5 + b"]" * 10**5 + b"}", JSON, "nested"),
    "digits": (lambda r: b'{"inputs": ' + b"1" * 10**4 + b"}", JSON, "4300 digits"),
    "unhashable": (lambda r: b'{"dataframe_split":{"columns":[{}],"data":[[1]]}}', JSON, ""),
    "for chats": (lambda r: b'{"messages": [], "inputs": []}', JSON, "messages"),
    "no rows": (lambda r: json_of([]), JSON, "request lacks it"),
    "params": (lambda r: json.dumps({"inputs": r, "params": 3}).encode(), JSON, "arameters"),
    "a param": (
        lambda r: json.dumps({"inputs": r, "params": {"score_history": "x"}}).encode(),
        JSON,
        "score_history",
    ),
    "huge": (lambda r: changed(r, 1, session_position=10**300), JSON, "session_position"),
    "infinite": (lambda r: changed(r, 1, tempo=float("inf")), JSON, "tempo"),
    "text": (lambda r: changed(r, 1, hour_of_day="noon"), JSON, "hour_of_day"),
    "negative": (lambda r: changed(r, 0, session_position=-1), JSON, "session_position"),
    "gap": (lambda r: json_of([r[0], *r[2:]]), JSON, "session_position"),
    "duplicate": (lambda r: json_of([*r, r[0]]), JSON, "session_position"),
    "null in the middle": (lambda r: changed(r, 2, **dict.fromkeys(OUTCOMES)), JSON, "skip_2"),
    "extra": (lambda r: changed(r, 0, moon="full"), JSON, "moon"),
    "10,001 plays": (
        lambda r: json_of([{**r[0], "session_position": i + 1} for i in range(10_001)]),
        JSON,
        "10000",
    ),
    "50 MB": (lambda r: json_of([{**r[0], "date": "x" * (50 << 20)}]), JSON, "bytes"),
    "broken CSV": (lambda r: b'session_id,"a\n1,2,3', CSV, "CSV"),
    "no CSV": (lambda r: b"\x00\x01", CSV, ""),
    "no Parquet": (lambda r: b"PAR1", PARQUET, "Parquet"),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_refused_and_the_next_request_answered(endpoint, good, mistake):
    body, content_type, word = MISTAKES[mistake]
    status, answer = endpoint.send(body(good[0]), content_type)
    assert 400 <= status < 500, answer
    message = answer if isinstance(answer, str) else answer["message"]
    assert word in message
    assert not [leak for leak in LEAKS if leak in json.dumps(answer)]
    assert endpoint.post({"dataframe_records": good[0]}) == (200, good[1])


def test_a_session_at_the_limit_is_answered_in_seconds(endpoint, good):
    rows = [{**good[0][0], "session_position": i + 1} for i in range(10_000)]
    started = time.monotonic()
    status, answer = endpoint.post({"dataframe_records": rows})
    assert (status, len(answer["predictions"])) == (200, 10_000)
    assert time.monotonic() - started < 20


def test_no_play_to_score_is_answered_with_nulls(endpoint, good):
    status, answer = endpoint.post({"inputs": good[0][:3]})
    assert status == 200
    assert [row["skip_probability"] for row in answer["predictions"]] == [None] * 3


VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-3, 30),
    st.sampled_from([10**18, 10**30, 10**400, -(2**63), 2**64]),
    st.floats(),
    st.text(max_size=8),
    st.sampled_from(["", "true", "1", "nan", "\ud800", "\x00", "2018-02-30", "x" * 5000]),
    st.lists(st.integers(), max_size=2),
    st.dictionaries(st.text(max_size=3), st.none(), max_size=1),
)
FIELDS = st.one_of(st.sampled_from(names(INPUTS)), st.text(max_size=6))


@st.composite
def bodies(draw):
    """Draw what to do to a good request: change, take away, add and shuffle, then cut or not."""
    steps = []
    for _ in range(draw(st.integers(1, 3))):
        kind = draw(st.sampled_from(["set", "set", "column", "drop", "cut", "twice", "shuffle"]))
        row, field, value = draw(st.integers(0, 40)), draw(FIELDS), draw(VALUES)
        steps.append((kind, row, field, value))
    key = draw(
        st.sampled_from(["dataframe_records", "inputs", "instances", "dataframe_split", "x"])
    )
    damage = draw(st.one_of(st.none(), st.integers(1, 2000)))
    return (
        steps[1:],
        key,
        damage,
        draw(st.sampled_from([JSON, JSON, JSON, JSON, CSV, PARQUET, "a"])),
    )


def spoiled(rows, steps, key, damage):
    rows = [dict(row) for row in rows]
    for kind, row, field, value in steps:
        at = row % max(len(rows), 1)
        if kind == "set" and rows:
            rows[at][field] = value
        elif kind == "column":
            rows = [{**r, field: value} for r in rows]
        elif kind == "drop":
            rows = [{k: v for k, v in r.items() if k != field} for r in rows]
        elif kind == "cut":
            rows = rows[:at] + rows[at + 1 :]
        elif kind == "twice":
            rows = [*rows, *rows[at : at + 1]]
        else:
            random.Random(row).shuffle(rows)
    content = {"columns": list(rows[0]), "data": [list(r.values()) for r in rows]} if rows else {}
    body = json.dumps({key: content if key == "dataframe_split" else rows}).encode()
    return body if damage is None or damage % 3 else body[: len(body) - damage % len(body)]


def test_whatever_is_sent_is_answered_or_refused(endpoint, good, capsys):
    """A generated corpus, always the same: 200 or 4xx, a message, and no harm to the next."""
    tried: Counter[int] = Counter()
    rows, answer = good

    @settings(
        max_examples=BODIES, derandomize=True, database=None, deadline=None,
        phases=[Phase.generate],
    )  # fmt: skip
    @given(bodies())
    def send(body):
        steps, key, damage, content_type = body
        status, response = endpoint.send(spoiled(rows, steps, key, damage), content_type)
        tried[status] += 1
        assert status == 200 or 400 <= status < 500, response
        assert not [leak for leak in LEAKS if leak in json.dumps(response)]
        if status == 200:
            valid(response, "answer")
        elif isinstance(response, dict):
            valid(response, "refusal")
        if sum(tried.values()) % 25 == 0:
            assert endpoint.post({"dataframe_records": rows}) == (200, answer)

    send()
    assert endpoint.post({"dataframe_records": rows}) == (200, answer)
    refused = sum(number for status, number in tried.items() if 400 <= status < 500)
    failed = sum(number for status, number in tried.items() if status >= 500)
    counts = f"{sum(tried.values())} tried, {tried[200]} 200, {refused} 4xx, {failed} 5xx"
    with capsys.disabled():
        print(f"\nfuzz: {counts}")
    assert sum(tried.values()) >= 300
    assert tried[200]
    assert refused > 200


def test_good_and_bad_requests_at_once_get_no_wrong_answer(endpoint, good):
    rows, answer = good
    bad = [json_of(rows)[:-9], changed(rows, 1, skip_2=7), json_of([*rows, rows[0]])]
    until = time.monotonic() + SECONDS
    wrong, counts = [], Counter()

    def send(body, expected):
        while time.monotonic() < until:
            status, response = endpoint.send(body)
            counts[status] += 1
            if status != expected or (status == 200 and response != answer):
                wrong.append((status, response))

    work = [(json_of(rows), 200)] * 3 + [(body, 400) for body in bad]
    threads = [threading.Thread(target=send, args=one) for one in work]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
    assert min(counts[200], counts[400]) > 20


def test_a_batch_names_what_is_wrong_and_leaves_no_output(fitted_and_uri, plays, tmp_path):
    target = tmp_path / "answer.csv"
    request = requests(plays, 3)
    cases = {
        "has 'moon'": request.assign(moon="full"),
        "holds none": request.iloc[:0],
        "hour_of_day must be a whole number": request.assign(hour_of_day=24),
        "have all ended": request[request[TARGET].notna()],
        "track_id_clean must be given": request.drop(columns="track_id_clean"),
    }
    for match, content in cases.items():
        content.to_csv(tmp_path / "plays.csv", index=False)
        with pytest.raises(SkipcastError, match=match):
            predict(tmp_path / "plays.csv", target, fitted_and_uri[1])
    whole = gzip.compress(request.to_csv(index=False).encode())
    (tmp_path / "cut.csv.gz").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(SkipcastError, match="cut short"):
        predict(tmp_path / "cut.csv.gz", target, fitted_and_uri[1])
    with pytest.raises(SkipcastError, match="nobody/1 must score the plays but does not"):
        predict(tmp_path / "plays.csv", target, "models:/nobody/1")
    assert not target.exists()
