"""The endpoint as a JSON Schema: `python -m skipcast.serving.json_schema` writes it into docs/."""

import json
from pathlib import Path
from typing import Any

from skipcast.column import Column
from skipcast.schema import ANSWER, INPUTS, names

PAGE = Path("docs/serving.schema.json")
TYPES = {
    "text": "string",
    "bigint": "integer",
    "boolean": "boolean",
    "double precision": "number",
}

JsonSchema = dict[str, Any]


def json_schema() -> JsonSchema:
    """Return the JSON Schema of a play, a request, an answer and a refusal.

    >>> json_schema()["$defs"]["play"]["properties"]["hour_of_day"]
    {'type': ['integer', 'null'], 'minimum': 0, 'maximum': 23}
    """
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "skipcast scoring endpoint",
        "description": "Requests in the formats that hold a play per object, and answers. "
        "docs/serving.md says what a schema cannot.",
        "$defs": {
            "play": _play(),
            "request": _request(),
            "answer": _answer(),
            "refusal": _refusal(),
        },
    }


def _play() -> JsonSchema:
    return _object(
        {column.name: _input(column) for column in INPUTS},
        required=[column.name for column in INPUTS if column.required],
    )


def _request() -> JsonSchema:
    plays = {"type": "array", "items": {"$ref": "#/$defs/play"}, "minItems": 1}
    params = {"type": "object", "properties": {"score_history": {"type": "boolean"}}}
    return {
        "type": "object",
        "properties": {"dataframe_records": plays, "inputs": plays, "params": params},
        "oneOf": [{"required": ["dataframe_records"]}, {"required": ["inputs"]}],
    }


def _answer() -> JsonSchema:
    row = _object({column.name: _output(column) for column in ANSWER}, required=names(ANSWER))
    return _object({"predictions": {"type": "array", "items": row}}, required=["predictions"])


def _refusal() -> JsonSchema:
    message = {"type": "string", "minLength": 1}
    return {
        "type": "object",
        "required": ["error_code", "message"],
        "properties": {"error_code": {"type": "string"}, "message": message},
    }


def _object(properties: JsonSchema, *, required: list[str]) -> JsonSchema:
    return {
        "type": "object",
        "required": required,
        "additionalProperties": False,
        "properties": properties,
    }


def _input(column: Column) -> JsonSchema:
    """Return what a client may send: a flag also as 0 or 1."""
    return {"enum": [True, False, None, 0, 1]} if column.is_flag else _output(column)


def _output(column: Column) -> JsonSchema:
    if column.values:
        return {"enum": [*column.values, *([] if column.required else [None])]}
    kind = TYPES[column.type]
    schema: JsonSchema = {"type": kind if column.required else [kind, "null"]}
    if column.is_date:
        schema |= {"format": "date", "pattern": "^[0-9]{4}-[0-9]{2}-[0-9]{2}$"}
    elif kind == "string" and column.required:
        schema["minLength"] = 1
    elif kind in ("integer", "number"):
        schema |= {"minimum": round(column.low), "maximum": round(column.high)}
    return schema


def as_text() -> str:
    """Return the schema as docs/serving.schema.json holds it."""
    return json.dumps(json_schema(), indent=2) + "\n"


if __name__ == "__main__":
    PAGE.write_text(as_text(), encoding="utf-8")
