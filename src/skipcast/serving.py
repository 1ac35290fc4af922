"""The MLflow model: raw plays in, a probability of being skipped for each out.

Its folder holds the booster's own file (or skops), the track table as Parquet, `model.json` and a
copy of this package: no pickle, nothing that points back to where it was trained.
"""

import json
import tempfile
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import mlflow
import numpy as np
import numpy.typing as npt
import pandas as pd
from mlflow.exceptions import MlflowException
from mlflow.models import ModelSignature
from mlflow.models.model import ModelInfo
from mlflow.protos.databricks_pb2 import INVALID_PARAMETER_VALUE
from mlflow.pyfunc.model import PythonModel, PythonModelContext
from mlflow.types.schema import AnyType, ColSpec, DataType, Schema, TensorSpec
from pandas.api.types import is_numeric_dtype

from skipcast.errors import SkipcastError
from skipcast.features import build_features, predicted
from skipcast.models import FAMILIES, Family
from skipcast.schema import (
    LOG,
    OUTCOMES,
    SYNTHETIC_PREFIX,
    TARGET,
    THRESHOLD,
    TRACK,
    Column,
    Horizon,
)
from skipcast.views import Floats

if TYPE_CHECKING:  # a server does not read params.yaml
    from skipcast.params import Features

PACKAGE = Path(__file__).parent
REQUIRED = ("session_id", "session_position", "track_id_clean")
REQUIREMENTS = ("mlflow", "numpy", "pandas", "pyarrow")

INPUTS: tuple[Column, ...] = (*LOG, *TRACK[1:])
"""What a request may hold: raw plays, and track features for tracks that the model lacks."""


def signature() -> ModelSignature:
    """Return the model's contract: raw plays in, a row for each out."""
    inputs: list[ColSpec | TensorSpec] = [
        ColSpec(_type(c), c.name, required=c.name in REQUIRED) for c in INPUTS
    ]
    outputs: list[ColSpec | TensorSpec] = [
        ColSpec(DataType.string, "session_id"),
        ColSpec(DataType.long, "session_position"),
        ColSpec(DataType.double, "skip_probability"),
        ColSpec(DataType.boolean, "skipped"),
    ]
    return ModelSignature(inputs=Schema(inputs), outputs=Schema(outputs))


def _type(column: Column) -> DataType | AnyType:
    if column.name == "session_position":
        return DataType.long
    if column.type == "text":
        return DataType.string
    # A flag may come as true, false, null, 0 or 1: no other type takes them all.
    return DataType.double if column.type == "double precision" else AnyType()  # type: ignore[no-untyped-call]


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
    model: Any, tracks: pd.DataFrame, *, family: Family, features: "Features"
) -> ModelInfo:
    """Log a fitted model to the active MLflow run, with all that it needs to be served.

    Args:
        model: what the family's `fit` made.
        tracks: columns `schema.TRACK`, the tracks that it will know by id.
        family: name of its family.
        features: the params of the features that it was trained on.
    """
    about = {"family": family, **features.model_dump()}
    requirements = (*REQUIREMENTS, *FAMILIES[family].requires)
    with tempfile.TemporaryDirectory() as folder:
        files = {
            name: Path(folder, name) for name in ("model.json", "classifier", "tracks.parquet")
        }
        files["model.json"].write_text(json.dumps(about, indent=2), encoding="utf-8")
        FAMILIES[family].save(model, files["classifier"])
        tracks.to_parquet(files["tracks.parquet"], index=False)
        info: ModelInfo = mlflow.pyfunc.log_model(
            name="model",
            python_model=PACKAGE / "served_model.py",
            artifacts={name: str(path) for name, path in files.items()},
            code_paths=[str(PACKAGE)],
            signature=signature(),
            input_example=example(),
            pip_requirements=[f"{name}=={version(name)}" for name in requirements],
        )
        return info


class SkipModel(PythonModel):
    """What `mlflow models serve` calls."""

    def load_context(self, context: PythonModelContext) -> None:
        """Read the model's own files."""
        files = {name: Path(path) for name, path in context.artifacts.items()}
        self._about = json.loads(files["model.json"].read_text(encoding="utf-8"))
        self._family = FAMILIES[self._about["family"]]
        self._classifier = self._family.load(files["classifier"])
        self._tracks = pd.read_parquet(files["tracks.parquet"]).set_index("track_id")

    def predict(
        self,
        context: PythonModelContext,
        model_input: pd.DataFrame,
        params: Mapping[str, Any] | None = None,
    ) -> pd.DataFrame:
        """Score raw plays.

        Args:
            context: not used; `load_context` has read it.
            model_input: rows of `INPUTS`, in any order; each session from its first play on.
            params: not used.

        Returns:
            A row for each input row, in its order: session_id, session_position,
            skip_probability (0..1; NaN for a play that the horizon does not predict) and skipped.

        Raises:
            MlflowException: the request breaks a rule; the server answers 400 with its text.
        """
        horizon: Horizon = self._about["horizon"]
        try:
            plays = complete_plays(model_input, self._tracks)
            order = np.lexsort((plays["session_position"], pd.factorize(plays["session_id"])[0]))
            ordered = plays.iloc[order]
            check_history(ordered, horizon)
            features = build_features(ordered, horizon, self._about["groups"])
        except SkipcastError as error:
            raise MlflowException(str(error), error_code=INVALID_PARAMETER_VALUE) from error
        probability = np.empty(len(plays))
        probability[order] = np.where(
            predicted(ordered, horizon),
            self._family.predict(self._classifier, features.to_numpy()),
            np.nan,
        )
        result = plays[["session_id", "session_position"]].copy()
        result["skip_probability"] = probability
        result["skipped"] = probability >= THRESHOLD
        return result

    def explain(self, plays: pd.DataFrame) -> pd.DataFrame:
        """Tell what each feature adds to the log-odds of each play being skipped.

        Args:
            plays: as in `predict`.

        Returns:
            A row for each of `plays`, in its order: a column per feature and `base`, what they
            start from; a row adds up to the log-odds of the play.
        """
        complete = complete_plays(plays, self._tracks)
        order = np.lexsort((complete["session_position"], pd.factorize(complete["session_id"])[0]))
        features = build_features(
            complete.iloc[order], self._about["horizon"], self._about["groups"]
        )
        values = np.empty((len(plays), features.shape[1] + 1))
        values[order] = self._family.contributions(self._classifier, features.to_numpy())
        return pd.DataFrame(values, columns=[*features.columns, "base"])


def complete_plays(request: pd.DataFrame, tracks: pd.DataFrame) -> pd.DataFrame:
    """Return the plays of `request` with all columns of `INPUTS` and the types that features need.

    Track features come from the request where it gives them, else from `tracks` by id; what
    neither gives is missing (None in text, NaN in numbers).

    Args:
        request: rows with at least the columns `REQUIRED`.
        tracks: indexed by track_id, columns `schema.TRACK`.

    Raises:
        SkipcastError: a required value is null, or a value has a wrong type; the message names it.
    """
    for name in REQUIRED:
        if request[name].isna().any():
            raise SkipcastError(f"{name} must be given for each play but got null. Fill it in.")
    found = tracks.index.get_indexer(pd.Index(request["track_id_clean"]))
    columns: dict[str, Any] = {}
    for column in INPUTS:
        given = request.get(column.name)
        if column.name in tracks:
            columns[column.name] = _track_column(column, given, tracks[column.name], found)
        elif column.type == "text":
            columns[column.name] = None if given is None else given.to_numpy(object)
        else:
            columns[column.name] = np.nan if given is None else _numbers(column, given)
    columns["session_position"] = request["session_position"].to_numpy()
    return pd.DataFrame(columns, index=pd.RangeIndex(len(request)))


def _track_column(
    column: Column, given: pd.Series | None, known: pd.Series, found: npt.NDArray[np.intp]
) -> pd.Series:
    """Take a track feature from the request, where it is `given`, or from the row `found`."""
    values = known.take(found).where(found >= 0)
    if given is not None:
        inline = given if column.type == "text" else pd.Series(_numbers(column, given))
        values = values.where(inline.isna().to_numpy(), inline.to_numpy())
    return values.set_axis(pd.RangeIndex(len(found)))


def _numbers(column: Column, given: pd.Series) -> Floats:
    if not is_numeric_dtype(given.dtype):
        wrong = [v for v in given if not (v is None or isinstance(v, bool | int | float))]
        if wrong:
            raise SkipcastError(
                f"{column.name} must be a number, true, false or null but got {wrong[0]!r}. "
                "Correct the request."
            )
    values: Floats = given.to_numpy(np.float64, na_value=np.nan)
    other = values[~np.isnan(values) & (values != 0) & (values != 1)]
    if column.type == "boolean" and other.size:
        raise SkipcastError(
            f"{column.name} must be true, false, null, 0 or 1 but got {other[0]:g}. "
            "Correct the request."
        )
    return values


def check_history(plays: pd.DataFrame, horizon: Horizon) -> None:
    """Check that each play whose end the horizon has seen comes with its outcome.

    Args:
        plays: in order of session and position.
        horizon: what is known when the prediction is made.

    Raises:
        SkipcastError: an outcome is null; the message names the play.
    """
    ids = plays["session_id"].to_numpy()
    ended = np.append(ids[:-1] == ids[1:], False)
    if horizon == "second_half":
        if plays["session_length"].isna().any():
            raise SkipcastError("session_length must be given for each play but got null.")
        ended = ~predicted(plays, horizon)
    wrong = plays[ended & plays[TARGET].isna().to_numpy()]
    if len(wrong):
        first = wrong.iloc[0]
        raise SkipcastError(
            f"{TARGET} must be true, false, 0 or 1 for each play before the last of its session "
            f"but got null at session_position {first['session_position']} of session "
            f"{first['session_id']}. Send the outcome of every play that has ended."
        )
