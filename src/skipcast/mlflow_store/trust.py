"""Whether a model's files are those that were registered, in a copy that nobody else writes to.

The SHA-256 of each file is a param of a run of the ledger, which a tag of the version names: in the
store's database, where nobody comes who can only write files, and where MLflow changes no param.

`clients/scorer.py` loads this file by its path, so nothing of this package is imported here.
"""

import fcntl
import hashlib
import json
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mlflow import MlflowClient
from mlflow.artifacts import download_artifacts
from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository
from mlflow.store.artifact.local_artifact_repo import LocalArtifactRepository
from mlflow.store.artifact.models_artifact_repo import ModelsArtifactRepository
from mlflow.store.artifact.utils.models import get_model_name_and_version

TAG = "skipcast.files"  # of a version: the run whose params are the SHA-256 of its files
# MLflow writes it where it loads a version from: which version it is.
VERSION = "registered_model_meta"
CARD = "model_card.md"  # each decision on a version writes another one, and no program reads it
BYTECODE = "__pycache__"  # Python writes it where it imports from, and would run what is in it
VERSIONS = "mlflow.modelVersions"  # MLflow's tag of a logged model
VERSION_OF: Any = get_model_name_and_version


class ChangedError(Exception):
    """The files of a version are not those that were registered.

    Attributes:
        fault: what they must be, and which is not.
    """

    def __init__(self, fault: str, version: str, model: str) -> None:
        super().__init__(f"The files of version {version} of {model} {fault}.")
        self.fault = fault


def hashes(folder: Path) -> dict[str, str]:
    """Return the SHA-256 of each file of a model, by path, but of those that have to change."""
    found = {}
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder)
        if path.is_file() and BYTECODE not in name.parts and str(name) not in (VERSION, CARD):
            with path.open("rb") as file:
                found[name.as_posix()] = hashlib.file_digest(file, "sha256").hexdigest()
    return found


def difference(expected: Mapping[str, str], found: Mapping[str, str]) -> str | None:
    """Return what became of the first file that differs; None if all are the same.

    >>> difference({"a": "1", "b": "2"}, {"a": "1", "b": "3"}), difference({}, {"a": "1"})
    ('b was changed', 'a was added')
    """
    for name in sorted({*expected, *found}):
        if expected.get(name) != found.get(name):
            fate = "is gone" if name not in found else "was changed"
            return f"{name} {fate if name in expected else 'was added'}"
    return None


def recorded(client: MlflowClient, name: str, version: str) -> dict[str, str] | None:
    """Return the SHA-256 of each file of a version, None if it was registered without.

    Raises:
        MlflowException: the store does not answer.
    """
    run_id = client.get_model_version(name, version).tags.get(TAG)
    return None if run_id is None else dict(client.get_run(run_id).data.params)


def registered_as(client: MlflowClient, uri: str) -> tuple[str, str] | None:
    """Return name and version of the registered model that `models:/...` leads to, or None.

    Raises:
        MlflowException: there is no such model, or the store does not answer.
    """
    found = VERSION_OF(client, uri)
    if len(found) == 2:
        return str(found[0]), str(found[1])
    versions = json.loads(client.get_logged_model(found[0]).tags.get(VERSIONS, "[]"))
    return (versions[-1]["name"], str(versions[-1]["version"])) if versions else None


def fetch(uri: str, folder: Path) -> tuple[Path, str | None]:
    """Copy the files of a registered version into `folder`, once for all processes; verify them.

    Args:
        uri: MLflow's address of a model; what is no registered version stays where it is.
        folder: of this user alone: what is verified is what is loaded.

    Returns:
        Where the files are, and what to tell the user of them, to the first that asks.

    Raises:
        ChangedError: they are not what the ledger has.
        MlflowException: there is no such model, or the store does not answer.
    """
    if not uri.startswith("models:/"):
        return Path(download_artifacts(artifact_uri=uri)), None
    client = MlflowClient()
    version = registered_as(client, uri)
    if version is None:
        return Path(download_artifacts(artifact_uri=uri)), None
    copy, note = folder / "model", None
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not copy.exists():
            found = f"models:/{version[0]}/{version[1]}"
            if odd := _odd(found):
                raise ChangedError(f"must be files and folders but {odd}", version[1], version[0])
            made = download(found, folder)
            note = _verify(client, version, made)
            made.rename(copy)
    return copy, note


def download(uri: str, folder: Path) -> Path:
    """Copy a model into a folder in `folder`, without bytecode; return where it is."""
    made = tempfile.mkdtemp(dir=folder)
    copy = Path(download_artifacts(artifact_uri=uri, dst_path=made))
    for bytecode in [path for path in copy.rglob(BYTECODE) if path.is_dir()]:
        shutil.rmtree(bytecode)
    return copy


def _odd(uri: str) -> str | None:
    """Return what is no file or folder among a model's files, where these are on this machine.

    MLflow would follow a link, or fail without its name.

    Args:
        uri: MLflow's of the model.
    """
    repository = get_artifact_repository(uri)
    while isinstance(repository, ModelsArtifactRepository):
        repository = repository.repo
    if not isinstance(repository, LocalArtifactRepository):
        return None
    root = Path(repository.artifact_dir)
    for path in sorted(root.rglob("*")):
        if path.is_symlink():
            return f"{path.relative_to(root).as_posix()} is a link"
        if not (path.is_file() or path.is_dir()):
            return f"{path.relative_to(root).as_posix()} is neither"
    return None


def _verify(client: MlflowClient, version: tuple[str, str], copy: Path) -> str | None:
    model, number = version
    expected = recorded(client, model, number)
    if expected is None:
        return (
            f"Version {number} of {model} was registered before the ledger held what its files "
            "are: whether they were changed since is not known."
        )
    if fault := difference(expected, hashes(copy)):
        raise ChangedError(f"must be as the ledger has them but {fault}", number, model)
    return None
