"""Refreshed champions, on a real MLflow store: what changes, what stays, what is refused."""

import hashlib
import json
import re
from dataclasses import dataclass
from pathlib import Path

import mlflow
import pandas as pd
import pytest
from harness.clients import requests
from harness.listener_models import listener_model
from mlflow.exceptions import MlflowException

from skipcast.errors import SkipcastError
from skipcast.features.listener_counts import count_listeners
from skipcast.features.table import with_label
from skipcast.promotion.ledger import Entry
from skipcast.promotion.listener_table import until
from skipcast.promotion.refresh import refresh
from skipcast.promotion.registry import Registry

NEW = {"artifacts/listeners.parquet", "MLmodel"}  # what differs between two such versions
MLFLOWS = "registered_model_meta"  # MLflow notes in it as which version it has loaded a model


@pytest.fixture(scope="module")
def model(tracking):
    """A model that knows the sessions of three listeners but each one's last."""
    assert tracking
    return listener_model(3)


@pytest.fixture
def registry(model, request):
    """A registry in which the model is version 1 and champion."""
    made = Registry(f"refresh-{re.sub('[^a-z_]', '-', request.node.name)}")
    version = made.register(model.uri, "lightgbm")
    made.carry_out(Entry("promoted", version, None, "the first", "7"))
    return made


def files(registry, version, folder):
    """Copy the files of a version; return where they are."""
    (folder / str(version)).mkdir(parents=True)
    return registry.take(version, folder / str(version))[0]


def files_of(registry, version, folder):
    """Return a hash of each file of a version by its path."""
    place = files(registry, version, folder)
    return {
        str(path.relative_to(place)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in place.rglob("*")
        if path.is_file() and path.name != MLFLOWS and "__pycache__" not in path.parts
    }


@dataclass(frozen=True)
class Refreshed:
    registry: Registry
    entry: Entry
    before: dict[str, str]
    after: dict[str, str]


@pytest.fixture(scope="module")
def refreshed(model, tmp_path_factory):
    """The registry after all sessions were counted."""
    registry = Registry("refreshed")
    registry.carry_out(Entry("promoted", registry.register(model.uri, "lightgbm"), None, "first"))
    folder = tmp_path_factory.mktemp("versions")
    before = files_of(registry, 1, folder)
    entry = refresh(registry, model.plays, data="8")
    return Refreshed(registry, entry, before, files_of(registry, 2, folder))


def test_the_refreshed_version_is_champion(refreshed):
    assert refreshed.registry.champion() == refreshed.entry.version == 2


def test_the_classifier_keeps_its_bytes(refreshed):
    assert refreshed.after["artifacts/classifier"] == refreshed.before["artifacts/classifier"]


def test_nothing_differs_but_the_listener_table_and_the_models_own_id(refreshed):
    assert refreshed.before.keys() == refreshed.after.keys()
    changed = {name for name, hash_ in refreshed.after.items() if hash_ != refreshed.before[name]}
    assert changed == NEW


def test_the_ledger_says_what_was_refreshed_and_until_when(refreshed, model):
    entry, first = refreshed.registry.history()
    assert (entry.decision, entry.version, entry.champion) == ("refreshed", 2, 1)
    assert (entry.data, entry.status, first.decision) == ("8", "FINISHED", "promoted")
    assert entry.reason.endswith(f"up to {until(count_listeners(model.plays)[1])}")


def test_the_version_says_so_too(refreshed):
    version = refreshed.registry.client.get_model_version("refreshed", "2")
    assert (version.tags["decision"], version.tags["family"]) == ("refreshed", "lightgbm")
    assert version.description == refreshed.entry.reason
    assert refreshed.registry.origin(2) == 1


@pytest.fixture(scope="module")
def answers(refreshed, model):
    """What both versions answer for the sessions that the first does not know."""
    following = requests(model.plays[model.is_next], 99)
    return [
        mlflow.pyfunc.load_model(f"models:/refreshed/{version}").predict(following)
        for version in (1, 2)
    ]


def test_the_answers_say_the_newer_day(answers, model):
    before, after = (set(answer["history_until"].dropna()) for answer in answers)
    assert max(after) == until(count_listeners(model.plays)[1])
    assert max(before) == until(count_listeners(model.plays[~model.is_next])[1])


def test_the_answers_change_with_what_is_known(answers):
    before, after = (answer["skip_probability"].dropna() for answer in answers)
    assert (before != after).any()


def test_the_same_plays_once_more_change_nothing(refreshed, model):
    assert refresh(refreshed.registry, model.plays) is None
    assert refreshed.registry.champion() == 2
    assert len(refreshed.registry.history()) == 2


def test_a_refreshed_version_is_refreshed_again_and_rolled_back(registry, model, tmp_path):
    one_is_newer = ~model.is_next | (model.plays["listener_id"] == "listener0")
    assert refresh(registry, model.plays[one_is_newer]).version == 2
    mlflow.pyfunc.load_model(f"models:/{registry.name}/2")  # leaves a note of its version behind
    assert refresh(registry, model.plays).version == 3
    assert "'3'" in (files(registry, 3, tmp_path) / MLFLOWS).read_text()
    assert (registry.origin(3), registry.champion()) == (1, 3)
    assert registry.roll_back().version == 2
    assert registry.roll_back().version == 1
    with pytest.raises(SkipcastError, match=r"got none before the present one\. Earlier.*: 2, 3\."):
        registry.roll_back()
    assert registry.roll_back(3).champion == 1


def test_the_card_says_what_is_new_above_what_it_said(registry, model, tmp_path):
    (tmp_path / "model_card.md").write_text("# The card\n")
    registry.attach(model.uri, tmp_path / "model_card.md")
    entry = refresh(registry, model.plays)
    card = (files(registry, entry.version, tmp_path) / "model_card.md").read_text()
    assert card.startswith(f"**Version 1 of {registry.name}, refreshed: {entry.reason}.**\n\n")
    assert card.endswith("# The card\n")


def test_without_a_champion_nothing_is_refreshed(model):
    with pytest.raises(SkipcastError, match=r"@champion must be registered .*`dvc repro` makes it"):
        refresh(Registry("nobody-refreshed"), model.plays)


def test_a_champion_without_listener_table_is_told(logged_model, model):
    registry = Registry("without-listeners")
    version = registry.register(logged_model().uri, "lightgbm")
    registry.carry_out(Entry("promoted", version, None, "the first"))
    match = r"version 1 has no listener table.*by fetch.source and leave features.groups null, then"
    with pytest.raises(SkipcastError, match=match):
        refresh(registry, model.plays)


def test_the_table_counts_the_skips_that_the_model_predicts(tracking, tmp_path):
    assert tracking
    model, registry = listener_model(6), Registry("any-skips")
    registry.register(model.uri, "lightgbm")
    place = registry.client.get_model_version_download_uri(registry.name, "1")
    file = Path(place.removeprefix("file://"), "artifacts/model.json")
    file.write_text(json.dumps(json.loads(file.read_text()) | {"skip": "any"}))
    registry.carry_out(Entry("promoted", 1, None, "first"))
    refresh(registry, model.plays)
    table = pd.read_parquet(files(registry, 2, tmp_path) / "artifacts/listeners.parquet")
    expected = count_listeners(with_label(model.plays, "any"))[1]
    assert table["skips"].sum() == expected["skips"].sum()
    assert table["skips"].sum() > count_listeners(model.plays)[1]["skips"].sum()


def test_a_table_of_another_skipcast_is_told(model, tmp_path):
    """Counted otherwise, the same columns could mean something else to the classifier."""
    registry = Registry("old-table")
    folder = Path(mlflow.artifacts.download_artifacts(model.uri, dst_path=str(tmp_path)))
    file = folder / "artifacts/listeners.parquet"
    pd.read_parquet(file).drop(columns="full_listens").to_parquet(file)
    registry.client.create_registered_model(registry.name)
    registry.client.create_model_version(registry.name, str(folder), tags={"family": "lightgbm"})
    registry.carry_out(Entry("promoted", 1, None, "the first"))
    with pytest.raises(SkipcastError, match="must have a listener table of this skipcast"):
        refresh(registry, model.plays)


@pytest.mark.parametrize("step", ["log_model_artifacts", "finalize_logged_model", "roll"])
def test_a_store_that_fails_half_way_leaves_the_champion(registry, model, monkeypatch, step):
    def fail(*_, **__):
        raise MlflowException("the store is gone")

    name = {"roll": "set_registered_model_alias"}.get(step, step)
    with monkeypatch.context() as patch:
        patch.setattr(registry.client, name, fail)
        with pytest.raises(SkipcastError, match=r"but failed: the store is gone"):
            refresh(registry, model.plays)
    assert registry.champion() == 1
    entry = refresh(registry, model.plays)
    assert registry.champion() == entry.version
    assert registry.roll_back().version == 1


def test_a_champion_changed_meanwhile_is_not_overwritten(registry, model, monkeypatch):
    other = registry.register(listener_model(4).uri, "lightgbm")
    register = registry.register

    def meanwhile(*args, **kwargs):
        registry.carry_out(Entry("promoted", other, 1, "better"))
        return register(*args, **kwargs)

    monkeypatch.setattr(registry, "register", meanwhile)
    with pytest.raises(SkipcastError, match="must still be version 1 but another has made it 2"):
        refresh(registry, model.plays)
    assert registry.champion() == other


def test_the_version_before_keeps_its_files(refreshed, tmp_path):
    assert files_of(refreshed.registry, 1, tmp_path).items() >= refreshed.before.items()
