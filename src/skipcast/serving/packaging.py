"""Logging a fitted model to MLflow, with all that it needs to be served.

Its folder holds the booster's own file (or plain arrays), the track table as Parquet, `model.json`
and a copy of this package: no pickle, nothing that points back to where it was trained.
"""

import json
import tempfile
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import mlflow
import pandas as pd
from mlflow import MlflowClient
from mlflow.models import Model, ModelSignature
from mlflow.models.model import MODEL_CONFIG, ModelInfo
from mlflow.types.schema import ColSpec, DataType, ParamSchema, ParamSpec, Schema, TensorSpec

from skipcast.models.families import FAMILIES, Family
from skipcast.models.family import Dataset
from skipcast.schema import INPUTS, OUTCOMES, REQUIRED, SYNTHETIC_PREFIX
from skipcast.serving.histogram import reference
from skipcast.serving.model import CONFIG, SCORE_HISTORY

if TYPE_CHECKING:  # a server does not read params.yaml
    from skipcast.params import Features

PACKAGE = Path(__file__).parents[1]
REQUIREMENTS = ("mlflow", "numpy", "pandas", "pyarrow")


def signature() -> ModelSignature:
    """Return the answer's columns and the params of a request.

    MLflow gets no inputs to enforce: its conversions cut position 1.7 down to 1, make the text
    "None" of a null and refuse true and false in CSV, and take longer than the model. `request.py`
    checks the columns for all formats alike and says what is wrong; the model's metadata and
    docs/serving.schema.json list them.
    """
    outputs: list[ColSpec | TensorSpec] = [
        ColSpec(DataType.string, "session_id"),
        ColSpec(DataType.long, "session_position"),
        ColSpec(DataType.string, "track_id_clean"),
        ColSpec(DataType.double, "skip_probability", required=False),
        ColSpec(DataType.boolean, "skipped", required=False),
        ColSpec(DataType.boolean, "track_known"),
    ]
    params = ParamSchema([ParamSpec(SCORE_HISTORY, DataType.boolean, False)])
    return ModelSignature(outputs=Schema(outputs), params=params)


def example() -> pd.DataFrame:
    """Return a request to learn from: two plays that ended and one to predict, all made up."""
    outcomes: list[dict[str, bool | None]] = [
        {"skip_1": False, "skip_2": False, "skip_3": False, "not_skipped": True},
        {"skip_1": True, "skip_2": True, "skip_3": True, "not_skipped": False},
        {"skip_1": None, "skip_2": None, "skip_3": None, "not_skipped": None},
    ]
    plays = pd.DataFrame(
        {name: [play[name] for play in outcomes] for name in OUTCOMES}, dtype=object
    )
    plays.insert(0, "session_id", f"{SYNTHETIC_PREFIX}example")
    plays.insert(1, "session_position", [1, 2, 3])
    plays.insert(2, "track_id_clean", [f"{SYNTHETIC_PREFIX}track-{i}" for i in range(3)])
    return plays


def log_model(
    model: Any,
    tracks: pd.DataFrame,
    *,
    family: Family,
    features: "Features",
    train: Dataset | None = None,
) -> ModelInfo:
    """Log a fitted model to the active MLflow run, with all that it needs to be served.

    Args:
        model: what the family's `fit` made.
        tracks: columns `schema.TRACK`, the tracks that it will know by id.
        family: name of its family.
        features: the params of the features that it was trained on.
        train: the plays that it was trained on; without them it cannot tell later how far others
            are from these.
    """
    about = {"family": family, **features.model_dump()}
    requirements = (*REQUIREMENTS, *FAMILIES[family].requires)
    with tempfile.TemporaryDirectory() as folder:
        files = {
            name: Path(folder, name)
            for name in ("model.json", "trained.json", "classifier", "tracks.parquet")
        }
        files["model.json"].write_text(json.dumps(about, indent=2), encoding="utf-8")
        trained = train and reference(
            train.features, FAMILIES[family].predict(model, train.features)
        )
        files["trained.json"].write_text(json.dumps(trained), encoding="utf-8")
        FAMILIES[family].save(model, files["classifier"])
        tracks.to_parquet(files["tracks.parquet"], index=False)
        info: ModelInfo = mlflow.pyfunc.log_model(
            name="model",
            python_model=PACKAGE / "serving/served_model.py",
            artifacts={name: str(path) for name, path in files.items()},
            code_paths=[str(PACKAGE)],
            signature=signature(),
            input_example=example(),
            metadata={"inputs": {c.name: c.type for c in INPUTS}, "required": [*REQUIRED]},
            pip_requirements=[f"{name}=={version(name)}" for name in requirements],
        )
        _correct(info, Path(folder))
        return info


def _correct(info: ModelInfo, folder: Path) -> None:
    """Take out of MLmodel where this machine had the files; put in what may be configured.

    MLflow notes those places and never reads them. What may be configured it would also log as
    parameters of the run, among those of the fit.
    """
    model = Model.load(info.model_uri)
    flavor = model.flavors["python_function"]
    for name, artifact in flavor["artifacts"].items():
        artifact["uri"] = name
    flavor[MODEL_CONFIG] = CONFIG
    flavor["model_code_path"] = Path(flavor["model_code_path"]).name
    model.artifact_path = info.model_uri
    model.save(str(folder / "MLmodel"))
    MlflowClient().log_model_artifact(str(info.model_id), str(folder / "MLmodel"))
