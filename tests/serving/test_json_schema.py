"""The JSON Schema of the endpoint: generated, and the same verdict as the server's own check."""

from pathlib import Path

import jsonschema
import pandas as pd
import pytest

from skipcast.errors import SkipcastError
from skipcast.schema import ANSWER, INPUTS, names
from skipcast.serving.json_schema import as_text, json_schema
from skipcast.serving.parse import read_request

SCHEMA = json_schema()
PLAY = {"session_id": "s", "session_position": 1, "track_id_clean": "a"}


def fits(play):
    """Tell whether the schema takes a play."""
    checker = jsonschema.FormatChecker(["date"])
    schema = SCHEMA | {"$ref": "#/$defs/play"}
    return jsonschema.Draft202012Validator(schema, format_checker=checker).is_valid(play)


def is_taken(play):
    """Tell whether the server takes a play."""
    try:
        read_request(pd.DataFrame([play], dtype=object))
    except SkipcastError:
        return False
    return True


def test_the_committed_file_is_up_to_date():
    """`python -m skipcast.serving.json_schema` writes it."""
    path = Path(__file__).parents[2] / "docs/serving.schema.json"
    assert path.read_text() == as_text()


def test_a_play_has_the_input_columns_and_an_answer_those_of_the_model():
    definitions = SCHEMA["$defs"]
    assert list(definitions["play"]["properties"]) == names(INPUTS)
    row = definitions["answer"]["properties"]["predictions"]["items"]
    assert list(row["properties"]) == row["required"] == names(ANSWER)


def test_a_play_needs_its_keys_only():
    assert fits(PLAY)
    assert not fits({"session_id": "s", "session_position": 1})
    assert not fits(PLAY | {"moon": "full"})


VALUES = [None, True, 0, 1, 2, -1, 24, 0.5, 1e7, "major", "2018-07-15", "2018-13-01", [1]]


@pytest.mark.parametrize("name", names(INPUTS))
def test_the_schema_and_the_server_take_the_same_values(name):
    plays = [PLAY | {name: value} for value in VALUES]
    assert [fits(play) for play in plays] == [is_taken(play) for play in plays]


def test_the_server_also_takes_what_a_text_spells_as_in_csv():
    """The schema names the types that a client should send."""
    texts = {"premium": "TRUE", "hour_of_day": "3.0", "tempo": "", "date": "", "mode": "NA"}
    assert is_taken(PLAY | texts)
    assert not [name for name, text in texts.items() if fits(PLAY | {name: text})]
    assert not fits(PLAY | {"session_id": ""})
    assert not is_taken(PLAY | {"session_id": ""})
