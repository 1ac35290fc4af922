"""The real server: every format, the same bits everywhere, and whatever a client may get wrong."""

import gzip
import io
import json
import random
import shutil
import subprocess
import sys
import threading
import time
from collections import Counter
from decimal import Decimal
from pathlib import Path

import jsonschema
import numpy as np
import pandas as pd
import pytest
from harness.clients import JSON, records, requests
from harness.servers import model_server
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from skipcast.clients import batch
from skipcast.errors import SkipcastError
from skipcast.features.build import build_features
from skipcast.schema import INPUTS, OUTCOMES, REASON_END, TARGET, names

SCHEMA = json.loads((Path(__file__).parents[2] / "docs/serving.schema.json").read_text())
BODIES = 400
SECONDS = 4  # of good and bad requests at once; benchmarks/serving.py takes a minute
CSV, PARQUET = "text/csv", "application/vnd.apache.parquet"
LEAKS = ("Traceback", "site-packages", 'File "', str(Path(__file__).parents[2]))


@pytest.fixture(scope="module")
def model(logged_model):
    return logged_model("xgboost")


@pytest.fixture(scope="module")
def endpoint(model, tmp_path_factory):
    with model_server(model.uri, tmp_path_factory.mktemp("server") / "log") as endpoint:
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


def json_of(rows, key="dataframe_records"):
    return json.dumps({key: rows}).encode()


def changed(rows, row, **values):
    return json_of([{**r, **values} if i == row else r for i, r in enumerate(rows)])


def valid(content, part):
    jsonschema.validate(content, SCHEMA | {"$ref": f"#/$defs/{part}"})


def test_request_and_answer_fit_the_schema(good):
    rows, answer = good
    valid({"dataframe_records": rows}, "request")
    valid(answer, "answer")


def numbers(request):
    return request.astype(dict.fromkeys(OUTCOMES, "Int64")).to_csv(index=False).encode()


def columns(request):
    return {name: [row[name] for row in records(request)] for name in request}


def parquet(request):
    file = io.BytesIO()
    request.to_parquet(file)
    return file.getvalue()


def spelled(request):
    """Return a request with the values of a column in many spellings, all as texts."""
    flags = {True: ["true", "TRUE", "t", "1", "1.0"], False: ["False", "f", "0", "0.0", "FALSE"]}
    result = request.astype(object).where(request.notna(), "")
    for place, name in enumerate(request):
        for row, value in enumerate(request[name]):
            if isinstance(value, bool):
                result.iloc[row, place] = flags[value][(row + place) % 5]
            elif isinstance(value, int) and name != "session_position":
                result.iloc[row, place] = f"{value}.0" if row % 2 else f" {value}"
    return result.astype(str)


def typed(request):
    """Return a request as Parquet may have it: categories, small numbers, decimals and days."""
    texts = {"session_id": "category", "context_type": "category", "track_id_clean": "string"}
    small = {"hour_of_day": "uint8", "context_switch": "float16", "premium": "int8"}
    other = request.astype(texts | small | dict.fromkeys(OUTCOMES, "Float32"))
    other["date"] = pd.to_datetime(other["date"]).astype("datetime64[ns]")
    other["session_position"] = [Decimal(n) for n in other["session_position"]]
    return other


def split(request):
    return json.loads(request.to_json(orient="split", index=False))


FORMATS = {
    "inputs by row": (lambda r: json_of(records(r), "inputs"), JSON),
    "inputs by column": (lambda r: json_of(columns(r), "inputs"), JSON),
    "instances": (lambda r: json_of(records(r), "instances"), JSON),
    "split": (lambda r: json_of(split(r), "dataframe_split"), JSON),
    "CSV": (lambda r: r.to_csv(index=False).encode(), CSV),
    "CSV in small letters": (lambda r: r.to_csv(index=False).lower().encode(), CSV),
    "CSV with 0 and 1": (numbers, CSV),
    "CSV with mixed spellings": (lambda r: spelled(r).to_csv(index=False).encode(), CSV),
    "CSV with a byte order mark": (lambda r: r.to_csv(index=False).encode("utf-8-sig"), CSV),
    "rows with mixed spellings": (lambda r: json_of(spelled(r).to_dict("records")), JSON),
    "split with mixed spellings": (lambda r: json_of(split(spelled(r)), "dataframe_split"), JSON),
    "Parquet": (parquet, PARQUET),
    "Parquet with other types": (lambda r: parquet(typed(r)), PARQUET),
}


@pytest.mark.parametrize("name", FORMATS)
def test_every_format_gives_the_same_answer(endpoint, good, request_, name):
    body, content_type = FORMATS[name]
    assert endpoint.send(body(request_), content_type) == (200, good[1])


@pytest.fixture(scope="module")
def every_session(plays):
    """Return a request for all sessions, and which of its plays are to be scored."""
    request = requests(plays, 10**6)
    return request, request[TARGET].isna().to_numpy()


@pytest.fixture(scope="module")
def expected(model, plays, every_session):
    """Return what the booster answers for the plays of `every_session`: NaN for its history."""
    answer = model.expected(build_features(plays, "started").to_numpy())
    return np.where(every_session[1], answer, np.nan)


def test_the_endpoint_answers_the_bits_of_the_stage(endpoint, every_session, expected):
    """All sessions: JSON's digits are what the booster answers."""
    request, _ = every_session
    answers = []
    for start in range(0, len(request), 4000):
        ids = request["session_id"].iloc[start : start + 4000].unique()
        part = request[request["session_id"].isin(ids)]
        status, answer = endpoint.post({"dataframe_records": records(part)})
        assert status == 200
        answers.append(pd.DataFrame(answer["predictions"]).set_axis(part.index))
    merged = pd.concat(answers)
    answered = merged[~merged.index.duplicated()]["skip_probability"].to_numpy(float)
    np.testing.assert_array_equal(answered, expected)


@pytest.mark.parametrize("name", ["plays.csv", "plays.csv.gz", "plays.parquet"])
def test_a_batch_answers_the_bits_of_the_stage(model, every_session, expected, tmp_path, name):
    """All sessions: CSV's and Parquet's bytes are what the booster answers."""
    request, is_scored = every_session
    source, target = tmp_path / name, tmp_path / f"answer-{name}"
    if source.suffix == ".parquet":
        request.to_parquet(source)
    else:
        request.to_csv(source, index=False)
    outcome = batch.predict(source, target, model.uri)
    assert (outcome.plays, outcome.scored) == (len(request), is_scored.sum())
    exact = {"float_precision": "round_trip"}  # pandas's default loses the last bit
    is_parquet = source.suffix == ".parquet"
    answer = pd.read_parquet(target) if is_parquet else pd.read_csv(target, **exact)
    np.testing.assert_array_equal(answer["skip_probability"].to_numpy(), expected)
    assert (answer["track_id_clean"] == request["track_id_clean"].to_numpy()).all()


def test_ids_that_look_like_numbers_are_texts_in_csv(endpoint, good, request_):
    """MLflow would read them as numbers."""
    numbers = request_.assign(session_id=request_["session_id"].rank(method="dense").astype(int))
    status, answer = endpoint.send(numbers.to_csv(index=False).encode(), CSV)
    assert status == 200, answer
    ids = [row["session_id"] for row in answer["predictions"]]
    assert ids == numbers["session_id"].astype(str).tolist()
    probabilities = [row["skip_probability"] for row in good[1]["predictions"]]
    assert [row["skip_probability"] for row in answer["predictions"]] == probabilities


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


def csv_of(rows, **values):
    return pd.DataFrame(rows).assign(**values).to_csv(index=False).encode()


MISTAKES = {
    "no header": (lambda r: json_of(r), None, "Content-Type"),
    "another type": (lambda r: json_of(r), "text/plain", "content types"),
    "another charset": (lambda r: json_of(r), f"{JSON}; charset=latin-1", "UTF-8"),
    "truncated": (lambda r: json_of(r)[:-40], JSON, "JSON"),
    "no UTF-8": (lambda _: b"\xff\xfe", JSON, "JSON"),
    "nothing": (lambda _: b"", JSON, "JSON"),
    "a list": (lambda r: json.dumps(r).encode(), JSON, "list"),
    "no format": (lambda _: b"{}", JSON, "input fields"),
    "two formats": (lambda _: b'{"inputs": [], "instances": []}', JSON, "input fields"),
    "nested": (lambda _: b'{"inputs":' + b"[" * 10**5 + b"]" * 10**5 + b"}", JSON, "nested"),
    "digits": (lambda _: b'{"inputs": ' + b"1" * 10**4 + b"}", JSON, "4300 digits"),
    "unhashable": (lambda _: b'{"dataframe_split":{"columns":[{}],"data":[[1]]}}', JSON, ""),
    "for chats": (lambda _: b'{"messages": [], "inputs": []}', JSON, "messages"),
    "no rows": (lambda _: json_of([]), JSON, "request lacks it"),
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
    "null in the middle": (
        lambda r: changed(r, 2, **dict.fromkeys((*OUTCOMES, REASON_END))),
        JSON,
        "skip_2",
    ),
    "extra": (lambda r: changed(r, 0, moon="full"), JSON, "moon"),
    "10,001 plays": (
        lambda r: json_of([{**r[0], "session_position": i + 1} for i in range(10_001)]),
        JSON,
        "10000",
    ),
    "50 MB": (lambda r: json_of([{**r[0], "date": "x" * (50 << 20)}]), JSON, "bytes"),
    "semicolons": (
        lambda _: b"session_id;session_position\n1;2",
        CSV,
        "commas but are by semicolons",
    ),
    "a wrong flag in CSV": (
        lambda r: csv_of(r, premium="maybe"),
        CSV,
        "premium must be true, false",
    ),
    "broken CSV": (lambda _: b'session_id,"a\n1,2,3', CSV, "CSV"),
    "no CSV": (lambda _: b"\x00\x01", CSV, ""),
    "no Parquet": (lambda _: b"PAR1", PARQUET, "Parquet"),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_told_and_the_next_request_answered(endpoint, good, mistake):
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


def test_whatever_is_sent_is_answered_or_refused(endpoint, good):
    """A generated corpus, always the same: 200 or 4xx, a message, and no harm to the next."""
    tried: Counter[int] = Counter()
    rows, answer = good

    @settings(
        max_examples=BODIES, derandomize=True, database=None, deadline=None,
        phases=[Phase.generate],
    )  # fmt: skip
    @given(bodies())
    def send(drawn):
        steps, key, damage, content_type = drawn
        status, got = endpoint.send(spoiled(rows, steps, key, damage), content_type)
        tried[status] += 1
        assert status == 200 or 400 <= status < 500, got
        assert not [leak for leak in LEAKS if leak in json.dumps(got)]
        if status == 200:
            valid(got, "answer")
        elif isinstance(got, dict):
            valid(got, "refusal")
        if sum(tried.values()) % 25 == 0:
            assert endpoint.post({"dataframe_records": rows}) == (200, answer)

    send()
    assert endpoint.post({"dataframe_records": rows}) == (200, answer)
    refused = sum(number for status, number in tried.items() if 400 <= status < 500)
    assert sum(tried.values()) >= 300, tried
    assert tried[200], tried
    assert refused > 200, tried


def test_good_and_bad_requests_at_once_get_no_wrong_answer(endpoint, good):
    rows, answer = good
    bad = [json_of(rows)[:-9], changed(rows, 1, skip_2=7), json_of([*rows, rows[0]])]
    until = time.monotonic() + SECONDS
    wrong, counts = [], Counter()

    def send(body, expected):
        while time.monotonic() < until:
            status, got = endpoint.send(body)
            counts[status] += 1
            if status != expected or (status == 200 and got != answer):
                wrong.append((status, got))

    work = [(json_of(rows), 200)] * 3 + [(body, 400) for body in bad]
    threads = [threading.Thread(target=send, args=one) for one in work]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
    assert min(counts[200], counts[400]) > 20


WRONG_FILES = {
    "got 'moon'": lambda r: r.assign(moon="full"),
    "holds none": lambda r: r.iloc[:0],
    "hour_of_day must be a whole number": lambda r: r.assign(hour_of_day=24),
    "have all ended": lambda r: r[r[TARGET].notna()],
    "track_id_clean must be given": lambda r: r.drop(columns="track_id_clean"),
}


@pytest.mark.parametrize("match", WRONG_FILES)
def test_a_batch_names_what_is_wrong_and_leaves_no_output(model, plays, tmp_path, match):
    source, target = tmp_path / "plays.csv", tmp_path / "answer.csv"
    WRONG_FILES[match](requests(plays, 3)).to_csv(source, index=False)
    with pytest.raises(SkipcastError, match=match):
        batch.predict(source, target, model.uri)
    assert not target.exists()


def test_a_batch_tells_of_a_file_that_is_cut_short(model, plays, tmp_path):
    source, target = tmp_path / "cut.csv.gz", tmp_path / "answer.csv"
    whole = gzip.compress(requests(plays, 3).to_csv(index=False).encode())
    source.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(SkipcastError, match="cut short"):
        batch.predict(source, target, model.uri)
    assert not target.exists()


@pytest.mark.usefixtures("tracking")
def test_a_batch_tells_of_a_model_that_is_not_there(plays, tmp_path):
    source, target = tmp_path / "plays.csv", tmp_path / "answer.csv"
    requests(plays, 3).to_csv(source, index=False)
    with pytest.raises(SkipcastError, match="nobody/1 must score the plays but does not"):
        batch.predict(source, target, "models:/nobody/1")
    assert not target.exists()


SMALL_BLOCK = 500  # plays; so that a small file has many blocks


@pytest.mark.parametrize("name", ["mixed.csv", "other types.parquet"])
def test_a_batch_of_many_blocks_reads_every_spelling(
    model, every_session, expected, tmp_path, monkeypatch, name
):
    monkeypatch.setattr(batch, "BLOCK", SMALL_BLOCK)
    request, _ = every_session
    source, target = tmp_path / name, tmp_path / "answer.parquet"
    if name == "mixed.csv":
        spelled(request).to_csv(source, index=False)
    else:
        typed(request).to_parquet(source)
    batch.predict(source, target, model.uri)
    answer = pd.read_parquet(target)
    np.testing.assert_array_equal(answer["skip_probability"].to_numpy(), expected)


FAR_DOWN = 2000


@pytest.mark.parametrize(
    ("name", "value", "match"),
    [
        ("premium", "maybe", "premium must be true, false, null, 0 or 1 but got 'maybe'"),
        ("skipped", True, "skipped must be what skip_2 is, if both are given, but got 1"),
    ],
    ids=["found by the parent", "found by the model"],
)
def test_a_batch_names_the_row_of_the_file(
    model, every_session, tmp_path, monkeypatch, name, value, match
):
    monkeypatch.setattr(batch, "BLOCK", SMALL_BLOCK)
    request = every_session[0].reset_index(drop=True)
    row = int(request.index[(request.index >= FAR_DOWN) & (request[TARGET] == False)][0])  # noqa: E712
    wrong = request.assign(**({} if name in request else {name: None})).astype({name: object})
    wrong.loc[row, name] = value
    wrong.to_csv(tmp_path / "plays.csv", index=False)
    with pytest.raises(SkipcastError, match=rf"{match} in row {row + 1} \(session 'twin-"):
        batch.predict(tmp_path / "plays.csv", tmp_path / "answer.csv", model.uri)
    assert not (tmp_path / "answer.csv").exists()


def test_the_command_tells_texts_that_are_new(model, request_, tmp_path):
    shutil.copy(Path(__file__).parents[2] / "params.yaml", tmp_path)
    request_.assign(context_type="aquarium").to_csv(tmp_path / "PLAYS.CSV", index=False)
    program = Path(sys.executable).with_name("skipcast")
    command = [
        program,
        "predict",
        "--input",
        "PLAYS.CSV",
        "--output",
        "A.CSV",
        "--model",
        model.uri,
    ]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    told = f"context_type of {len(request_)} plays is new to the model and counts as missing: 'aqu"
    assert told in done.stderr
    assert len(pd.read_csv(tmp_path / "A.CSV")) == len(request_)
