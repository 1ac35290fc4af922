"""The ledger alone, on a real MLflow store."""

import pytest
from mlflow import MlflowClient

from skipcast.promotion.ledger import Entry, Ledger

ENTRY = Entry("promoted", 1, None, "the first", "7", {"accuracy": [0.75, 0.74, 0.76]})


@pytest.fixture
def ledger(tracking, request):
    return Ledger(request.node.name, MlflowClient())


def test_a_new_model_has_no_history(ledger):
    assert ledger.history() == []


def test_an_entry_is_read_as_it_was_written(ledger):
    with ledger.write(ENTRY):
        pass
    assert ledger.history() == [ENTRY]


def test_the_latest_entry_is_the_first(ledger):
    for version in (1, 2):
        with ledger.write(Entry("refused", version, None, "worse")):
            pass
    assert [entry.version for entry in ledger.history()] == [2, 1]


def test_an_entry_that_is_not_carried_out_has_failed(ledger):
    def fail():
        with ledger.write(ENTRY):
            raise OSError("no alias")

    with pytest.raises(OSError, match="no alias"):
        fail()
    assert ledger.history()[0].status == "FAILED"


@pytest.mark.parametrize(("champion", "status"), [(1, "FINISHED"), (None, "KILLED"), (2, "KILLED")])
def test_a_decision_whose_process_was_killed_is_ended_by_what_it_did(ledger, champion, status):
    writing = ledger.write(ENTRY)
    writing.__enter__()  # and no more, as after SIGKILL
    assert ledger.history()[0].status == "RUNNING"
    ledger.end_dead(champion)
    assert ledger.history()[0].status == status


def test_a_refusal_whose_process_was_killed_counts_for_nothing(ledger):
    writing = ledger.write(Entry("refused", 1, 1, "worse"))
    writing.__enter__()
    ledger.end_dead(1)
    assert ledger.history()[0].status == "KILLED"


def test_what_was_carried_out_stays(ledger):
    with ledger.write(ENTRY):
        pass
    ledger.end_dead(None)
    assert ledger.history()[0].status == "FINISHED"


def test_files_are_beside_the_entry(ledger, tmp_path):
    (tmp_path / "model_card.md").write_text("card")
    with ledger.write(ENTRY, tmp_path) as run_id:
        pass
    assert [file.path for file in MlflowClient().list_artifacts(run_id)] == ["model_card.md"]
