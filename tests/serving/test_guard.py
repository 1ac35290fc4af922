"""What wraps the answers of the scoring server; tests/system/test_endpoint.py has a real one."""

import sys
import threading
import time

import pytest
from mlflow.exceptions import MlflowException

from skipcast.serving.guard import (
    MAX_BYTES,
    SERVER,
    one_at_a_time,
    prepare_server,
    refuse_bad_bodies,
)

JSON = "application/json"


def guarded(answer):
    """Return the guarded function of an answer, which gets the body alone."""
    invocations = refuse_bad_bodies(lambda data, *_: answer(data), dict)
    return lambda data, content_type=JSON: invocations(data, content_type, None, None)


def raising(error):
    def answer(data):
        raise error

    return answer


def test_a_good_body_is_answered_as_without_a_guard():
    assert guarded(lambda data: data + b"!")(b"body") == b"body!"


def test_a_body_over_the_limit_is_http_413():
    response = guarded(raising(AssertionError))(bytes(MAX_BYTES + 1))
    assert response["status"] == 413
    assert f"at most {MAX_BYTES} bytes" in response["response"]


@pytest.mark.parametrize("content_type", [None, ""])
def test_a_body_without_content_type_is_http_400(content_type):
    with pytest.raises(MlflowException, match="Content-Type must be application/json") as caught:
        guarded(raising(AssertionError))(b"{}", content_type)
    assert caught.value.get_http_status_code() == 400


@pytest.mark.parametrize("error", [RecursionError(), ValueError("4300 digits")])
def test_json_that_python_cannot_read_is_http_400(error):
    with pytest.raises(MlflowException, match="must be JSON, not deeply nested") as caught:
        guarded(raising(error))(b"[[")
    assert caught.value.get_http_status_code() == 400


def test_an_error_of_mlflow_keeps_its_words_and_loses_its_stack_trace(caplog):
    error = MlflowException("Wrong.", stack_trace="File secret.py")
    error.message = "the whole request, then: Wrong."
    with pytest.raises(MlflowException) as caught:
        guarded(raising(error))(b"{}")
    assert caught.value.message == "Wrong."
    assert "stack_trace" not in caught.value.json_kwargs
    assert "File secret.py" in caplog.text


def test_requests_are_answered_one_at_a_time():
    running, most = 0, 0

    def answer(*_):
        nonlocal running, most
        running += 1
        most = max(most, running)
        time.sleep(0.01)
        running -= 1

    invocations = one_at_a_time(answer)
    threads = [threading.Thread(target=invocations, args=(b"", JSON, None, None)) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == 1


def test_a_process_that_is_no_server_stays_as_it_is():
    """This process is none: it has not loaded the app."""
    assert f"{SERVER}.app" not in sys.modules
    before = getattr(sys.modules.get(SERVER), "invocations", None)
    prepare_server()
    assert getattr(sys.modules.get(SERVER), "invocations", None) is before
