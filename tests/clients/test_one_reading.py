"""The same file gets the same verdict from the server, from `predict` and from `fetch`."""

import csv
import io
import json
import re

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from mlflow.exceptions import MlflowException

from skipcast.archive.sample import read_subset
from skipcast.clients import batch
from skipcast.errors import SkipcastError
from skipcast.features.columns import Columns
from skipcast.reading import csv_text
from skipcast.schema import LOG, TRACK, names
from skipcast.serving.csv_body import parse_csv
from skipcast.serving.parse import read_request

FLAGS = ["true", "True", "TRUE", "t", "T", "1", "1.0", "false", "F", "0", "0.0", " true"]
WHOLE = ["3", "3.0", "0", "7.000", "1e1", " 12", "+5"]
SPELLINGS = {
    "premium": FLAGS,
    "hist_user_behavior_is_shuffle": FLAGS,
    "context_switch": FLAGS,
    "hour_of_day": WHOLE,
    "hist_user_behavior_n_seekfwd": [*WHOLE, "1000000"],
    "date": ["2018-07-15", "2018-09-18", "2020-02-29"],
    "context_type": ["radio", "catalog", "aquarium", "Radio", "0"],
    "track_id_clean": ["twin-track-1", "NA", "007", "1.0", "true"],
}
WRONG = ["maybe", "2018-7-15", "20180715", "1.5", "-1", "1000001", "inf", "0x1", "1_0", "24:00"]
NULL = ["", "NA", "null", "NaN", "None"]
PLAYS = 14


@pytest.fixture(scope="module")
def rows(plays_and_tracks):
    """Return whole sessions as rows of CSV fields."""
    plays = plays_and_tracks[0]
    ids = plays["session_id"].unique()[:2]
    log = plays.loc[plays["session_id"].isin(ids), names(LOG)].head(2 * PLAYS)
    log = log.groupby("session_id").head(PLAYS // 2)
    log["session_length"] = PLAYS // 2
    assert len(log) == PLAYS
    return list(csv.DictReader(io.StringIO(log.to_csv(index=False))))


def verdict(read):
    """Return the values that a reader gets, or what is wrong, where, and nothing of the remedy."""
    try:
        return read()
    except (SkipcastError, MlflowException) as error:
        message = str(error).removeprefix("INVALID_PARAMETER_VALUE: ")
        place = r"( in row \d+)( of [\w.]+)?( \(session '.*'\))?\. Correct| \(.* in all\)\. Correct"
        found = re.match(rf"(\w+ must be .*)( but got .*)({place})", message)
        assert found, message
        rule = found[1].replace(", or null", "").replace(" or null", "").replace(", null", "")
        return f"{rule}{found[2]}{found[4] or ''}"


def values(frame, column):
    """Return a column of a request as numbers; ids as they are."""
    return read_request(frame)[column].tolist()


def predicted(path, column):
    """Return a column as the batch gives it to the model, block by block."""
    blocks = [block.to_pandas() for block in batch.blocks(batch.read(path))]
    return [value for block in blocks for value in values(block, column)]


def verdicts(folder, rows, column, tracks):
    """Return the verdict of each reader on the same rows of texts."""
    text = io.StringIO()
    writer = csv.DictWriter(text, names(LOG))
    writer.writeheader()
    writer.writerows(rows)
    file = folder / "log.csv"
    file.write_text(text.getvalue())
    frame = pd.DataFrame(rows, dtype=object)
    table = pa.table({name: [row[name] for row in rows] for name in rows[0]})
    result = {
        "records": verdict(lambda: values(pd.DataFrame(json.loads(json.dumps(rows))), column)),
        "split": verdict(lambda: values(pd.DataFrame(**frame.to_dict("split")), column)),
        "columns": verdict(lambda: values(frame.to_dict("list"), column)),
        "CSV": verdict(lambda: values(parse_csv(io.StringIO(text.getvalue())), column)),
        "predict": verdict(lambda: predicted(file, column)),
        "fetch": verdict(lambda: fetched(file, tracks, column)),
    }
    kinds = {"string": pa.string(), "large": pa.large_string(), "view": pa.string_view()}
    kinds["dictionary"] = pa.dictionary(pa.int16(), pa.string())
    path = folder / "log.parquet"
    for name, kind in kinds.items():
        pq.write_table(table.cast(pa.schema([(n, kind) for n in rows[0]])), path)
        result[f"predict, {name}"] = verdict(lambda: predicted(path, column))
        result[f"server, {name}"] = verdict(lambda: values(pd.read_parquet(path), column))
    return result


def fetched(file, tracks, column):
    plays, _ = read_subset(file, tracks, rows=10**6, seed=0)
    read = plays[column] if column == "track_id_clean" else Columns(plays)[column]
    return read.tolist()


@st.composite
def columns(draw):
    column = draw(st.sampled_from(sorted(SPELLINGS)))
    texts = st.sampled_from(SPELLINGS[column])
    if column != "track_id_clean":
        texts = draw(st.sampled_from([texts | st.sampled_from(WRONG + NULL), texts]))
    return column, draw(st.lists(texts, min_size=PLAYS, max_size=PLAYS))


@pytest.mark.parametrize("size", ["one block", "many blocks"])
def test_every_reader_has_the_same_verdict(rows, tmp_path, monkeypatch, size):
    tracks = tmp_path / "tracks.csv"
    ids = {*SPELLINGS["track_id_clean"], *(row["track_id_clean"] for row in rows)}
    header = names(TRACK)
    numbers = ["major" if name == "mode" else "1" for name in header[1:]]
    lines = [",".join([track, *numbers]) for track in sorted(ids)]
    tracks.write_text("\n".join([",".join(header), *lines]) + "\n")
    if size == "many blocks":
        monkeypatch.setattr(batch, "BLOCK", 5)
        monkeypatch.setattr(csv_text, "BLOCK_BYTES", 700)
    seen = {"taken": 0, "refused": 0}

    @settings(
        max_examples=40,
        derandomize=True,
        database=None,
        deadline=None,
        suppress_health_check=[HealthCheck.function_scoped_fixture],
    )
    @given(columns())
    def compare(drawn):
        column, texts = drawn
        spelled = [{**row, column: text} for row, text in zip(rows, texts, strict=True)]
        found = verdicts(tmp_path, spelled, column, tracks)
        first = found["records"]
        fetch = found.pop("fetch")
        for reader, other in found.items():
            assert isinstance(other, str) == isinstance(first, str), (reader, other, first)
            np.testing.assert_equal(other, first, err_msg=reader)
        if isinstance(first, str) or column == "track_id_clean" or not {*texts} & {*NULL}:
            np.testing.assert_equal(fetch, first)
        else:  # a file must give every value
            assert isinstance(fetch, str), fetch
        seen["refused" if isinstance(first, str) else "taken"] += 1

    compare()
    assert min(seen.values()) > 5, seen
