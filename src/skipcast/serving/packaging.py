"""Logging a fitted model to MLflow, with all that it needs to be served.

Its folder holds the booster's own file (or plain arrays), the track table as Parquet, `model.json`
and a copy of `SHIPPED`, the part of this package that a server needs: no pickle, nothing that
points back to where it was trained.
"""

import json
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import pandas as pd
from mlflow import MlflowClient
from mlflow.models import Model, ModelSignature
from mlflow.models.model import MODEL_CONFIG, ModelInfo
from mlflow.types.schema import ColSpec, DataType, ParamSchema, ParamSpec, Schema, TensorSpec

from skipcast.models.families import FAMILIES, Family
from skipcast.models.family import Dataset
from skipcast.schema import (
    ANSWER,
    HORIZONS,
    INPUTS,
    OUTCOMES,
    REQUIRED,
    SYNTHETIC_PREFIX,
    Group,
    HorizonName,
    Label,
)
from skipcast.serving.histogram import reference
from skipcast.serving.listeners import LISTENERS
from skipcast.serving.model import CONFIG, SCORE_HISTORY

PACKAGE = Path(__file__).parents[1]
SHIPPED = (
    "__init__.py",
    "arrays.py",
    "column.py",
    "errors.py",
    "schema.py",
    "sessions.py",
    "features",
    "models",
    "reading",
    "serving",
)
"""Files and folders of this package that a model takes along; they import nothing else of it."""
REQUIREMENTS = ("mlflow", "numpy", "pandas", "pyarrow")
MLFLOW_TYPES = {
    "text": DataType.string,
    "bigint": DataType.long,
    "boolean": DataType.boolean,
    "double precision": DataType.double,
}


def signature() -> ModelSignature:
    """Return the answer's columns and the params of a request.

    MLflow gets no inputs to enforce: its conversions cut position 1.7 down to 1, make the text
    "None" of a null and refuse true and false in CSV, and take longer than the model. `parse.py`
    checks the columns for all formats alike and says what is wrong; the model's metadata and
    docs/serving.schema.json list them.
    """
    outputs: list[ColSpec | TensorSpec] = [
        ColSpec(MLFLOW_TYPES[column.type], column.name, required=column.required)
        for column in ANSWER
    ]
    params = ParamSchema([ParamSpec(SCORE_HISTORY, DataType.boolean, False)])
    return ModelSignature(outputs=Schema(outputs), params=params)


def example(horizon: HorizonName = "started") -> pd.DataFrame:
    """Return a synthetic request of three plays: those of the history have ended.

    >>> [int(example(horizon)["skip_2"].isna().sum()) for horizon in ("started", "second_half")]
    [1, 2]
    """
    outcomes: list[dict[str, bool | None]] = [
        {"skip_1": False, "skip_2": False, "skip_3": False, "not_skipped": True},
        {"skip_1": True, "skip_2": True, "skip_3": True, "not_skipped": False},
        {"skip_1": None, "skip_2": None, "skip_3": None, "not_skipped": None},
    ]
    plays = pd.DataFrame(
        {name: [play[name] for play in outcomes] for name in OUTCOMES}, dtype=object
    )
    history_length = HORIZONS[horizon].history_length
    if history_length is not None:
        plays.insert(0, "session_length", len(plays))
        is_open = plays.index >= history_length(plays["session_length"].to_numpy(np.float64))
        plays.loc[is_open, [*OUTCOMES]] = None
    plays.insert(0, "session_id", f"{SYNTHETIC_PREFIX}example")
    plays.insert(1, "session_position", [1, 2, 3])
    plays.insert(2, "track_id_clean", [f"{SYNTHETIC_PREFIX}track-{i}" for i in range(3)])
    return plays


def log_model(
    model: Any,
    tracks: pd.DataFrame,
    *,
    family: Family,
    horizon: HorizonName,
    skip: Label = "brief",
    groups: tuple[Group, ...],
    listeners: pd.DataFrame | None = None,
    train: Dataset | None = None,
) -> ModelInfo:
    """Log a fitted model to the active MLflow run, with all that it needs to be served.

    Args:
        model: what the family's `fit` returned.
        tracks: what it will know of tracks by id, as `counts.add_counts` returns it.
        family: name of its family.
        horizon: what was known of each play that it was trained on.
        skip: what it learned to call a skip.
        groups: of the features that it was trained on.
        listeners: what it will know of listeners, as `listener_counts.count_listeners` returns it;
            carried only by a model that was trained on the group `listener_history`.
        train: the plays that it was trained on; without them it cannot tell later how far others
            are from these.
    """
    tables = {"tracks.parquet": tracks}
    if "listener_history" in groups:
        if listeners is None:
            raise ValueError("listeners must be given to a model with listener_history.")
        tables[LISTENERS] = listeners
    about = {"family": family, "horizon": horizon, "skip": skip, "groups": groups}
    requirements = (*REQUIREMENTS, *FAMILIES[family].requires)
    with tempfile.TemporaryDirectory() as name, _no_bytecode():
        folder = Path(name)
        info: ModelInfo = mlflow.pyfunc.log_model(
            name="model",
            python_model=PACKAGE / "serving/served_model.py",
            artifacts=_write_artifacts(folder, model, tables, about, train),
            code_paths=[str(_copy_code(folder))],
            signature=signature(),
            input_example=example(horizon),
            metadata={
                "inputs": {c.name: c.type for c in INPUTS},
                "required": [*REQUIRED],
                "skip": skip,
            },
            pip_requirements=[f"{name}=={version(name)}" for name in requirements],
        )
        _replace_mlmodel(info, folder)
        return info


@contextmanager
def _no_bytecode() -> Iterator[None]:
    """Let Python write no compiled code: MLflow tries the example where the model is stored."""
    before, sys.dont_write_bytecode = sys.dont_write_bytecode, True
    try:
        yield
    finally:
        sys.dont_write_bytecode = before


def _write_artifacts(
    folder: Path,
    model: Any,
    tables: dict[str, pd.DataFrame],
    about: dict[str, Any],
    train: Dataset | None,
) -> dict[str, str]:
    """Write the files that `SkipModel` reads into `folder`; return their paths by name."""
    names = ("model.json", "trained.json", "classifier", *tables)
    files = {name: folder / name for name in names}
    methods = FAMILIES[about["family"]]
    files["model.json"].write_text(json.dumps(about, indent=2), encoding="utf-8")
    trained = train and reference(train, methods.predict_parts(model, train))
    files["trained.json"].write_text(json.dumps(trained), encoding="utf-8")
    methods.save(model, files["classifier"])
    for name, table in tables.items():
        table.to_parquet(files[name], index=False)
    return {name: str(path) for name, path in files.items()}


def _copy_code(folder: Path) -> Path:
    """Copy `SHIPPED` into `folder`; return the copy of the package."""
    package = folder / PACKAGE.name
    package.mkdir()
    for name in SHIPPED:
        if (PACKAGE / name).is_dir():
            ignored = shutil.ignore_patterns("__pycache__")
            shutil.copytree(PACKAGE / name, package / name, ignore=ignored)
        else:
            shutil.copy(PACKAGE / name, package)
    return package


def _replace_mlmodel(info: ModelInfo, folder: Path) -> None:
    """Log MLmodel once more, without the paths of this machine and with `CONFIG`.

    `mlflow.pyfunc.log_model` takes `CONFIG`, too, but would log it as parameters of the run, among
    those of the fit.
    """
    model = Model.load(info.model_uri)
    _remove_local_paths(model)
    model.flavors["python_function"][MODEL_CONFIG] = CONFIG
    model.artifact_path = info.model_uri
    model.save(str(folder / "MLmodel"))
    MlflowClient().log_model_artifact(str(info.model_id), str(folder / "MLmodel"))


def _remove_local_paths(model: Model) -> None:
    """Remove where the files were on this machine; MLflow notes the places and never reads them."""
    flavor = model.flavors["python_function"]
    for name, artifact in flavor["artifacts"].items():
        artifact["uri"] = name
    flavor["model_code_path"] = Path(flavor["model_code_path"]).name
