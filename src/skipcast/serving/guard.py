"""Answers of MLflow's scoring server for requests that never reach the model.

Three kinds of request end in HTTP 500 before MLflow calls a model: one without a Content-Type, JSON
nested a thousand deep, and a number of more than 4300 digits. CSV that cannot be parsed is answered
with a stack trace. MLflow has no setting for these, so a model that finds itself loaded by the
scoring server wraps the one function that answers all requests. The model's requirements pin the
version of MLflow whose function this is; `tests/test_fuzz.py` sends such requests to a real server.
"""

import json
import logging
import sys
from collections.abc import Callable
from functools import wraps
from threading import Lock
from typing import Any

import pandas as pd
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import BAD_REQUEST

SERVER = "mlflow.pyfunc.scoring_server"
MAX_BYTES = 32 << 20  # 10,000 plays with inline track features are about half of it

Answer = Callable[[bytes, str | None, Any, Any], Any]

_logger = logging.getLogger(__name__)


def guard_server() -> None:
    """Guard the server, if this process is one; a process loads its model before it answers."""
    if f"{SERVER}.app" in sys.modules:
        # Each text goes from JSON to the model and back: Arrow would have to copy it twice.
        pd.set_option("mode.string_storage", "python")
        server = sys.modules[SERVER]
        server.invocations = guarded(server.invocations, server.InvocationsResponse)  # type: ignore[attr-defined]


def guarded(answer: Answer, response: Callable[..., Any]) -> Answer:
    """Wrap MLflow's `invocations`: the same answers, but for what it does not foresee.

    >>> def answer(data, content_type, model, schema):
    ...     raise RecursionError
    >>> guarded(answer, dict)(b"[[", "application/json", None, None)
    Traceback (most recent call last):
    mlflow.exceptions.MlflowException: The body must be JSON, not deeply nested and with numbers \
of at most 4300 digits, but is not (RecursionError). docs/serving.md shows each format.
    """
    # Python runs one thread at a time: requests in turn wait less than requests interleaved.
    turn = Lock()

    @wraps(answer)
    def invocations(data: bytes, content_type: str | None, model: Any, input_schema: Any) -> Any:
        if len(data) > MAX_BYTES:
            text = f"The body must have at most {MAX_BYTES} bytes but has {len(data)}."
            body = json.dumps({"error_code": "BAD_REQUEST", "message": text})
            return response(response=body, status=413, mimetype="application/json")
        if not content_type:
            raise MlflowException(
                "Content-Type must be application/json, text/csv or "
                "application/vnd.apache.parquet but is not given. Add the header.",
                error_code=BAD_REQUEST,
            )
        try:
            with turn:
                return answer(data, content_type, model, input_schema)
        except MlflowException as error:
            if trace := error.json_kwargs.pop("stack_trace", None):
                _logger.error("A request failed:\n%s", trace)
            error.message = str(error.args[0])  # without MLflow's copy of the request
            raise
        except (RecursionError, ValueError) as error:
            raise MlflowException(
                "The body must be JSON, not deeply nested and with numbers of at most 4300 digits, "
                f"but is not ({type(error).__name__}). docs/serving.md shows each format.",
                error_code=BAD_REQUEST,
            ) from error

    return invocations
