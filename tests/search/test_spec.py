"""A search's specification: what starts new studies, what does not, what does not fit together."""

import shutil

import pytest
from harness.searches import RECEIPT, make_small_job, receipt_of, small_params
from imports import closure, places

from skipcast import files
from skipcast.errors import SkipcastError
from skipcast.parts import Parts, write_parts
from skipcast.search import spec


@pytest.fixture
def fingerprint(feature_files):
    """Return a function from changes of the section `search` to the fingerprint."""
    return lambda **changes: make_small_job("a", feature_files, **changes).fingerprint


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A copy of the package whose files are hashed instead."""
    copied = shutil.copytree(files.PACKAGE, tmp_path / "package")
    monkeypatch.setattr(files, "PACKAGE", copied)
    return copied


@pytest.mark.parametrize(
    "changes", [{"workers": 2}, {"families": {"logistic": 20, "lightgbm": 30}}]
)
def test_more_processes_or_trials_go_on_with_the_same_studies(fingerprint, changes):
    assert fingerprint(**changes) == fingerprint()


@pytest.mark.parametrize(
    "changes",
    [
        {"objective": "accuracy"},
        {"seed": 5},
        {"families": {"lightgbm": 3}},
        {"space": {"lightgbm": {"num_leaves": (3, 5)}}},
    ],
)
def test_other_params_start_new_studies(fingerprint, changes):
    assert fingerprint(**changes) != fingerprint()


def test_other_features_start_new_studies(feature_files, tmp_path, fingerprint):
    features = Parts.read(feature_files[0], made_by="features").whole()
    features.loc[0, "position"] = -1.0
    write_parts(tmp_path / "features", [features], made_by="features")
    other = make_small_job("a", (tmp_path / "features", *feature_files[1:]))
    assert other.fingerprint != fingerprint()


@pytest.mark.parametrize(
    "path",
    ["models/boosting.py", "features/views.py", "evaluation/metrics.py", "serving/model.py",
     "search/studies.py", "schema.py"],
)  # fmt: skip
def test_other_code_of_a_trial_or_its_model_starts_new_studies(package, fingerprint, path):
    before = fingerprint()
    (package / path).write_text((package / path).read_text() + "# changed\n")
    assert fingerprint() != before


@pytest.mark.parametrize(
    "path",
    ["clients/demo_server.py", "promotion/card.py", "cli/main.py", "database/tables.py",
     "twin/write.py", "archive/sample.py"],
)  # fmt: skip
def test_a_word_in_other_code_does_not(package, fingerprint, path):
    before = fingerprint()
    (package / path).write_text((package / path).read_text() + "# changed\n")
    assert fingerprint() == before


def test_every_entry_is_there():
    assert [name for name in spec.CODE if not (files.PACKAGE / name).exists()] == []


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"hash": "0"}, "must be of the hash 0"),
        ({"track_table": "0"}, "must be of the track_table 0"),
        ({"listener_table": "0"}, "must be of the listener_table 0"),
        ({"split": small_params("receipt").split.model_copy(update={"seed": 7})}, "of the split"),
        ({"tables": {}}, "must be of the tables"),
        ({"horizon": "queued"}, "must be of the horizon queued"),
    ],
)
def test_features_that_are_not_those_of_their_receipt(feature_files, change, match):
    params = small_params("receipt")
    receipt = receipt_of(params, *feature_files).model_copy(update=change)
    with pytest.raises(SkipcastError, match=match + r"[\s\S]*dvc repro --force features"):
        spec.make_job(params, *feature_files, receipt=RECEIPT, features_receipt=receipt)


def test_the_code_is_what_the_search_imports_but_for_reading_writing_and_the_database():
    neither = {"artifacts.py", "commits.py", "database", "files.py", "folders.py", "mlflow_store"}
    neither |= {"overrides.py", "params.py", "parts.py", "processes.py", "records.py", "storage.py"}
    neither |= {"workers.py"}
    modules = closure({"skipcast.search.trials"})
    imported = {place.removeprefix("src/skipcast/") for place in places(modules)}
    assert imported - neither == set(spec.CODE)
