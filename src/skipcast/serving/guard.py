"""What MLflow's scoring server needs beside a model, and has no setting for.

Three kinds of request end in HTTP 500 before MLflow calls a model: one without a Content-Type, JSON
nested a thousand deep, and a number of more than 4300 digits. CSV that cannot be parsed is answered
with a stack trace. So a model that finds itself loaded by the scoring server wraps the one function
that answers all requests. The model's requirements pin the version of MLflow whose function this
is; tests/system/test_endpoint.py sends such requests to a real server. For the same reason it puts
`csv_body.parse_csv` in the place of MLflow's reading of CSV.
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

from skipcast.serving.csv_body import parse_csv

SERVER = "mlflow.pyfunc.scoring_server"
MAX_BYTES = 32 << 20  # 10,000 plays with inline track features are about half of it

Answer = Callable[[bytes, str | None, Any, Any], Any]

_logger = logging.getLogger(__name__)


def is_server() -> bool:
    """Tell whether this process is the scoring server; it loads its model before it answers."""
    return f"{SERVER}.app" in sys.modules


def prepare_server() -> None:
    """Prepare the scoring server, if this process is one."""
    if is_server():
        keep_texts_in_python()
        server: Any = sys.modules[SERVER]
        answer = one_at_a_time(server.invocations)
        server.invocations = refuse_bad_bodies(answer, server.InvocationsResponse)
        server.parse_csv_input = parse_csv


def keep_texts_in_python() -> None:
    """Have pandas keep texts as Python objects, because Arrow would copy each of them twice.

    A text goes from JSON to the model and back within one request.
    """
    pd.set_option("mode.string_storage", "python")


def one_at_a_time(answer: Answer) -> Answer:
    """Have requests wait for each other, because requests in turn wait less than interleaved ones.

    Python runs one thread at a time in any case.
    """
    lock = Lock()

    @wraps(answer)
    def invocations(data: bytes, content_type: str | None, model: Any, input_schema: Any) -> Any:
        with lock:
            return answer(data, content_type, model, input_schema)

    return invocations


def refuse_bad_bodies(answer: Answer, response: Callable[..., Any]) -> Answer:
    """Answer 4xx for bodies that would end in HTTP 500, because the client can mend them.

    Args:
        answer: MLflow's `invocations`.
        response: makes a response of `response`, `status` and `mimetype`.

    >>> def answer(data, content_type, model, schema):
    ...     raise RecursionError
    >>> refuse_bad_bodies(answer, dict)(b"[[", "application/json", None, None)
    Traceback (most recent call last):
    mlflow.exceptions.MlflowException: The body must be JSON, not deeply nested and with numbers \
of at most 4300 digits, but is not (RecursionError). docs/serving.md shows each format.
    """

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
            return answer(data, content_type, model, input_schema)
        except MlflowException as error:
            raise _without_details(error) from error.__cause__
        except (RecursionError, ValueError) as error:
            raise MlflowException(
                "The body must be JSON, not deeply nested and with numbers of at most 4300 digits, "
                f"but is not ({type(error).__name__}). docs/serving.md shows each format.",
                error_code=BAD_REQUEST,
            ) from error

    return invocations


def _without_details(error: MlflowException) -> MlflowException:
    """Take the stack trace, which is logged, and MLflow's copy of the request out of an error."""
    if trace := error.json_kwargs.pop("stack_trace", None):
        _logger.error("A request failed:\n%s", trace)
    error.message = str(error.args[0])
    return error
