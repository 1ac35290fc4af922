"""A champion that was logged by the flat package, behind a real `mlflow models serve`."""

import flat
import pytest
from harness.clients import records
from harness.servers import model_server

from skipcast.clients.demo_server import ScoringServer
from skipcast.clients.demo_view import Reader, view
from skipcast.clients.model_process import ModelProcess

PLAYS, PROBABILITIES = flat.plays_and_probabilities()


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return flat.unpack(tmp_path_factory.mktemp("flat"))


@pytest.fixture(scope="module")
def endpoint(model, tmp_path_factory):
    with model_server(str(model), tmp_path_factory.mktemp("server") / "log") as endpoint:
        yield endpoint


def test_it_is_served_with_the_bits_that_it_gave_then(endpoint):
    params = {"score_history": True}
    status, answer = endpoint.post({"dataframe_records": records(PLAYS), "params": params})
    assert status == 200
    assert [row["skip_probability"] for row in answer["predictions"]] == PROBABILITIES


def test_the_demo_shows_its_reasons_beside_its_probabilities(endpoint, model):
    session = PLAYS[PLAYS["session_id"] == PLAYS["session_id"].iloc[0]]
    answers = ScoringServer(f"http://127.0.0.1:{endpoint.port}").score(session)
    with ModelProcess(str(model), "explain") as process:
        shown = view(session, answers, process.explain(session), Reader())
    assert [play["probability"] for play in shown["plays"]] == PROBABILITIES[: len(session)]
    assert shown["same_model"]
    assert all(each["meaning"] for play in shown["plays"] for each in play["contributions"])
