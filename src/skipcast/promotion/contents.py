"""What a logged model says of itself, without loading it; it may be of an earlier skipcast."""

import json
from collections.abc import Callable
from typing import Any

import mlflow
import yaml
from mlflow.store.artifact.models_artifact_repo import ModelsArtifactRepository

from skipcast.errors import SkipcastError
from skipcast.mlflow_store.client import store_errors
from skipcast.mlflow_store.files import FLAVOR

PLACE: Callable[[str], str] = ModelsArtifactRepository.get_underlying_uri
FIRST_LABEL = "brief"  # of models that name none: there was no other


def inputs_of(model_uri: str) -> frozenset[str]:
    """Return the columns that a request to a model may have; it refuses others.

    Raises:
        SkipcastError: the store does not answer.
    """
    return frozenset(_description(model_uri)["metadata"]["inputs"])


def label_of(model_uri: str) -> str:
    """Return what a model counts as a skip, as `features.skip` names it.

    Raises:
        SkipcastError: the store does not answer, or the model is damaged.
    """
    return str(_about(model_uri).get("skip", FIRST_LABEL))


def horizon_of(model_uri: str) -> str:
    """Return what a model knows when it predicts, as `features.horizon` names it.

    Raises:
        SkipcastError: the store does not answer, or the model is damaged.
    """
    return str(_about(model_uri).get("horizon"))


def config_of(model_uri: str) -> dict[str, Any]:
    """Return what `mlflow models serve -C` may change of a model, with the values without it.

    Raises:
        SkipcastError: the store does not answer.
    """
    return _description(model_uri)["flavors"][FLAVOR].get("config") or {}


def trained_of(model_uri: str) -> dict[str, Any] | None:
    """Return the histograms of the plays that a model was trained on; None where it has none.

    Raises:
        SkipcastError: the store does not answer, or the model is damaged.
    """
    content: dict[str, Any] | None = _artifact(model_uri, "trained.json")
    return content


def _about(model_uri: str) -> dict[str, Any]:
    content: dict[str, Any] = _artifact(model_uri, "model.json")
    return content


def _artifact(model_uri: str, name: str) -> Any:
    path = _description(model_uri)["flavors"][FLAVOR]["artifacts"][name]["path"]
    text = _text(model_uri, path)
    try:
        return json.loads(text)
    except ValueError as error:
        raise SkipcastError(f"{path} of {model_uri} must be JSON but is not: {error}") from error


def _description(model_uri: str) -> dict[str, Any]:
    content: dict[str, Any] = yaml.safe_load(_text(model_uri, "MLmodel"))
    return content


def _text(model_uri: str, path: str) -> str:
    with store_errors(f"give {path} of {model_uri}"):
        place = PLACE(model_uri) if model_uri.startswith("models:/") else model_uri
        return str(mlflow.artifacts.load_text(f"{place}/{path}"))
