"""Whether the files of a run or a model are all there: somebody may have deleted the artifacts."""

import tempfile
from collections.abc import Iterable
from pathlib import Path, PurePosixPath

import mlflow
import yaml
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException
from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

FLAVOR = "python_function"
MODEL = "MLmodel"


def missing_of_run(client: MlflowClient, run_id: str, files: Iterable[str]) -> str | None:
    """Return the first of `files`, all of one folder, that a run does not have."""
    names = list(files)
    folder = str(PurePosixPath(names[0]).parent)
    listed = {file.path for file in client.list_artifacts(run_id, folder.removeprefix("."))}
    return next((name for name in names if name not in listed), None)


def missing_of_model(place: str) -> str | None:
    """Return what became of the first file that a model needs and does not have.

    Args:
        place: of the model's artifacts, a path or URI.

    Raises:
        MlflowException: the place does not answer.
    """
    repository = get_artifact_repository(place)
    listed = {file.path for file in repository.list_artifacts() or ()}
    if MODEL not in listed:
        return f"{MODEL} is gone"
    needed = _needed(f"{place}/{MODEL}")
    if needed is None:
        return f"{MODEL} is damaged"
    for name in needed:
        folder = str(PurePosixPath(name).parent)
        beside = listed
        if folder != ".":
            beside = {file.path for file in repository.list_artifacts(folder) or ()}
        if name not in beside:
            return f"{name} is gone"
    return None


def _needed(place: str) -> list[str] | None:
    """Return the files that a model's description names; None where it is damaged."""
    with tempfile.TemporaryDirectory(prefix="skipcast.") as folder:
        text = Path(mlflow.artifacts.download_artifacts(place, dst_path=folder)).read_bytes()
    try:
        flavor = yaml.safe_load(text)["flavors"][FLAVOR]
        needed = [flavor.get("model_code_path"), flavor.get("code")]
        needed += [artifact["path"] for artifact in (flavor.get("artifacts") or {}).values()]
    except (yaml.YAMLError, ValueError, LookupError, TypeError, AttributeError):
        return None
    return [str(name) for name in needed if name]


def missing_of_logged_model(client: MlflowClient, model_uri: str) -> str | None:
    """Return what became of a file that a logged model needs, or of the model itself."""
    try:
        model = client.get_logged_model(model_uri.removeprefix("models:/"))
    except MlflowException as error:
        if error.error_code != "RESOURCE_DOES_NOT_EXIST":
            raise
        return f"{model_uri} is gone"
    return missing_of_model(str(model.artifact_location))
