"""The ledger and the alias, on a real MLflow store; the versions hold no model."""

import shutil

import pytest

from skipcast.errors import SkipcastError
from skipcast.promotion.ledger import Entry
from skipcast.promotion.registry import Registry

SCORES = {"accuracy": (0.75, 0.74, 0.76)}


@pytest.fixture
def registry(tracking, request, tmp_path):
    """A model with three versions and no champion; of their files there is what says so."""
    made = Registry(f"model-{request.node.name[:40].replace('[', '-').replace(']', '')}")
    made.client.create_registered_model(made.name)
    for number in (1, 2, 3):
        folder = tmp_path / str(number)
        folder.mkdir()
        (folder / "MLmodel").write_text("flavors: {python_function: {}}")
        made.client.create_model_version(made.name, str(folder), tags={"family": "lightgbm"})
    return made


def promoted(registry, version):
    champion = registry.champion()
    return registry.carry_out(Entry("promoted", version, champion, "better", "7", SCORES))


def test_a_decision_is_in_the_ledger_and_on_the_version(registry, tmp_path):
    (tmp_path / "model_card.md").write_text("card")
    files = tmp_path / "files"
    files.mkdir()
    (files / "model_card.md").write_text("card")
    registry.carry_out(Entry("promoted", 1, None, "the first", "7", SCORES), files)
    registry.carry_out(Entry("refused", 2, 1, "worse", "7", SCORES, SCORES))
    assert registry.champion() == 1
    refused, taken = registry.history()
    assert (refused.decision, refused.version, refused.champion) == ("refused", 2, 1)
    assert (taken.decision, taken.version, taken.champion) == ("promoted", 1, None)
    assert (taken.reason, taken.data, taken.status) == ("the first", "7", "FINISHED")
    assert tuple(taken.scores["accuracy"]) == SCORES["accuracy"]
    assert taken.champion_scores is None
    assert taken.when
    tags = registry.client.get_model_version(registry.name, "2").tags
    assert (tags["decision"], tags["reason"], tags["test_accuracy"]) == ("refused", "worse", "0.75")
    run = registry.client.get_model_version(registry.name, "1").tags["decision_run"]
    assert [f.path for f in registry.client.list_artifacts(run)] == ["model_card.md"]


def test_roll_back_goes_back_one_champion_at_a_time(registry):
    for version in (1, 2, 3):
        promoted(registry, version)
    assert registry.roll_back().version == 2
    assert registry.champion() == 2
    assert registry.roll_back().version == 1
    with pytest.raises(SkipcastError, match=r"got none before .* Earlier champions: 2, 3\."):
        registry.roll_back()
    assert registry.champion() == 1
    assert registry.roll_back(3).champion == 1
    assert registry.champion() == 3
    assert [entry.decision for entry in registry.history()][:3] == ["rolled back"] * 3


def test_roll_back_goes_to_earlier_champions_only(registry):
    with pytest.raises(SkipcastError, match=r"Earlier champions: none\."):
        registry.roll_back()
    promoted(registry, 1)
    for to in (None, 1, 2, 9):
        with pytest.raises(SkipcastError, match=r"Earlier champions: none\."):
            registry.roll_back(to)
    assert registry.champion() == 1


def test_a_champion_changed_meanwhile_is_not_overwritten(registry):
    promoted(registry, 1)
    promoted(registry, 2)
    with pytest.raises(SkipcastError, match="must still be version 1 but another has made it 2"):
        registry.carry_out(Entry("promoted", 3, 1, "better", "7", SCORES))
    assert registry.champion() == 2
    assert (registry.history()[0].version, registry.history()[0].status) == (3, "FAILED")
    # What was not carried out is no earlier champion.
    with pytest.raises(SkipcastError, match=r"Earlier champions: 1\."):
        registry.roll_back(3)


def test_a_champion_whose_promotion_was_killed_at_its_end_can_be_left_again(registry):
    promoted(registry, 1)
    writing = registry.ledger.write(Entry("promoted", 2, 1, "better"))
    writing.__enter__()
    registry.client.set_registered_model_alias(registry.name, "champion", "2")
    registry.end_dead()
    assert registry.roll_back().version == 1


def test_a_registry_that_fails_half_way_leaves_the_champion(registry):
    """The version is gone when the decision is to be written on it."""
    promoted(registry, 1)
    registry.client.delete_model_version(registry.name, "2")
    with pytest.raises(SkipcastError, match="must record a decision on version 2"):
        registry.carry_out(Entry("promoted", 2, 1, "better", "7", SCORES))
    assert registry.champion() == 1
    assert registry.history()[0].status == "FAILED"


def test_a_registry_that_does_not_answer_is_told(tracking, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    with pytest.raises(SkipcastError, match=r"(?s)http://127.0.0.1:9 must .* was not changed"):
        Registry("model")


def lose(registry, version):
    """Delete the files of a version."""
    place = registry.client.get_model_version_download_uri(registry.name, str(version))
    shutil.rmtree(place)


def test_roll_back_refuses_a_version_whose_files_are_gone(registry):
    for version in (1, 2, 3):
        promoted(registry, version)
    lose(registry, 2)
    with pytest.raises(SkipcastError, match=r"MLmodel is gone. Name another .* by --to: 1\."):
        registry.roll_back()
    assert registry.champion() == 3
    assert registry.roll_back(1).version == 1


def test_a_champion_whose_files_are_gone_is_told(registry):
    promoted(registry, 1)
    lose(registry, 1)
    with pytest.raises(SkipcastError, match=r"version 1 of .* must be there but MLmodel is gone"):
        registry.require_champion()


def test_a_deleted_ledger_is_told(registry):
    promoted(registry, 1)
    ledger = registry.client.get_experiment_by_name(f"{registry.name}-promotions")
    registry.client.delete_experiment(ledger.experiment_id)
    with pytest.raises(SkipcastError, match="mlflow experiments restore -x"):
        registry.history()
    registry.client.restore_experiment(ledger.experiment_id)
    assert registry.history()[0].version == 1


def test_a_champion_that_is_required_is_returned(registry):
    promoted(registry, 2)
    assert registry.require_champion() == 2


def test_a_champion_that_is_required_and_missing_names_the_remedy(registry):
    with pytest.raises(SkipcastError, match=r"@champion must be registered in .*dvc repro"):
        registry.require_champion()
