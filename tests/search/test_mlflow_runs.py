import mlflow
import pytest
from mlflow import MlflowClient

from skipcast.errors import SkipcastError
from skipcast.promotion.ledger import registry_errors
from skipcast.search.mlflow_runs import stage_hashes, tracking_errors


def test_without_a_lock_file_there_are_no_stage_hashes(tmp_path):
    assert stage_hashes(tmp_path / "dvc.lock") == {}


def test_stage_hashes_are_those_of_the_lock_file(tmp_path):
    lock = tmp_path / "dvc.lock"
    lock.write_text("stages: {load: {cmd: x, outs: [{path: a.json, md5: '12'}]}}")
    assert stage_hashes(lock) == {"dvc.load": "a.json:12"}


@pytest.mark.parametrize("readable", [tracking_errors(), registry_errors("answer")])
def test_a_password_in_the_address_of_the_tracking_server_is_not_printed(readable, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://me:p%40ss-word@127.0.0.1:1/mlflow")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    assert "p%40ss-word" in mlflow.get_tracking_uri()
    with pytest.raises(SkipcastError) as error, readable:
        MlflowClient().search_experiments()
    assert "http://***@127.0.0.1:1/mlflow must" in str(error.value)
    assert "ss-word" not in str(error.value)
