"""The specification of a search: what makes it another one, what does not fit together."""

import shutil

import pandas as pd
import pytest
from harness.searches import RECEIPT, make_small_job, receipt_of, small_params

from skipcast.errors import SkipcastError
from skipcast.files import write_parquet
from skipcast.search import spec


@pytest.fixture
def fingerprint(feature_files):
    """Return a function: the fingerprint of a job with changes to the section `search`."""
    return lambda **changes: make_small_job("a", feature_files, **changes).fingerprint


def test_workers_do_not_make_another_search(fingerprint):
    assert fingerprint(workers=2) == fingerprint()


def test_another_objective_makes_another_search(fingerprint):
    assert fingerprint(objective="accuracy") != fingerprint()


def test_other_input_makes_another_search(fingerprint, feature_files, tmp_path):
    features, tracks = feature_files
    changed = pd.read_parquet(features)
    changed.iloc[0, 3] += 1
    write_parquet(tmp_path / "features.parquet", changed)
    files = (tmp_path / "features.parquet", tracks)
    assert make_small_job("a", files).fingerprint != fingerprint()


@pytest.fixture
def copy(tmp_path, monkeypatch):
    """Return a copy of the package, of which the fingerprint is taken."""
    package = shutil.copytree(spec.PACKAGE, tmp_path / "package")
    monkeypatch.setattr(spec, "PACKAGE", package)
    return package


@pytest.mark.usefixtures("copy")
def test_the_same_code_elsewhere_makes_the_same_search(fingerprint, monkeypatch):
    elsewhere = fingerprint()
    monkeypatch.undo()
    assert fingerprint() == elsewhere


def test_other_code_makes_another_search(fingerprint, copy):
    before = fingerprint()
    (copy / "models/boosting.py").write_text("PATIENCE = 10")
    assert fingerprint() != before


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"hash": "0"}, "must be of the hash 0"),
        ({"tables": {}}, "must be of the tables"),
        ({"horizon": "queued"}, "must be of the horizon queued"),
    ],
)
def test_features_that_are_not_those_of_their_receipt(feature_files, change, match):
    params = small_params("receipt")
    receipt = receipt_of(params, feature_files[0]).model_copy(update=change)
    with pytest.raises(SkipcastError, match=match + r"[\s\S]*dvc repro --force features"):
        spec.make_job(params, *feature_files, receipt=RECEIPT, features_receipt=receipt)
