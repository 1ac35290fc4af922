import mlflow
import pytest
from mlflow import MlflowClient

from skipcast.errors import SkipcastError
from skipcast.mlflow_store.client import store_errors
from skipcast.search.mlflow_runs import stage_hashes


def test_without_a_lock_file_there_are_no_stage_hashes(tmp_path):
    assert stage_hashes(tmp_path / "dvc.lock") == {}


def test_stage_hashes_are_those_of_the_lock_file(tmp_path):
    lock = tmp_path / "dvc.lock"
    lock.write_text("stages: {load: {cmd: x, outs: [{path: a.json, md5: '12'}]}}")
    assert stage_hashes(lock) == {"dvc.load": "a.json:12"}


def test_a_password_in_the_address_of_the_tracking_server_is_not_printed(monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://me:p%40ss-word@127.0.0.1:1/mlflow")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    assert "p%40ss-word" in mlflow.get_tracking_uri()
    with pytest.raises(SkipcastError) as error, store_errors("answer"):
        MlflowClient().search_experiments()
    assert "http://***@127.0.0.1:1/mlflow must" in str(error.value)
    assert "ss-word" not in str(error.value)
