from skipcast.search.mlflow_runs import stage_hashes


def test_without_a_lock_file_there_are_no_stage_hashes(tmp_path):
    assert stage_hashes(tmp_path / "dvc.lock") == {}


def test_stage_hashes_are_those_of_the_lock_file(tmp_path):
    lock = tmp_path / "dvc.lock"
    lock.write_text("stages: {load: {cmd: x, outs: [{path: a.json, md5: '12'}]}}")
    assert stage_hashes(lock) == {"dvc.load": "a.json:12"}
