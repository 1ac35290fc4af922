"""Models that tests fit and log: the one place that calls a family's `fit` and `log_model`."""

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from skipcast.arrays import Bools, Floats, Matrix
from skipcast.features.build import build_features, predicted
from skipcast.models.families import FAMILIES, Family
from skipcast.models.family import Dataset
from skipcast.schema import AHEAD, HORIZONS, TARGET, TRACK_GROUPS, Group, HorizonName

if TYPE_CHECKING:
    from mlflow.models.model import ModelInfo
    from mlflow.pyfunc import PyFuncModel

QUICK: dict[Family, dict[str, object]] = {
    "lightgbm": {"learning_rate": 0.3, "num_leaves": 7},
    "xgboost": {"learning_rate": 0.3},
    "logistic": {},
}


def dataset(features: Matrix, skipped: Bools) -> Dataset:
    """Return plays to fit on, each as a session of its own."""
    numbers = np.arange(len(skipped))
    return Dataset.of(features, skipped, sessions=numbers, positions=np.ones_like(numbers))


def fit(family: Family, features: Matrix, skipped: Bools, **params: object) -> Any:
    """Fit a model of a family on plays, validated on the same; `params` over the defaults."""
    plays = dataset(features, skipped)
    methods = FAMILIES[family]
    data = methods.prepare(train=plays, validation=plays)
    values = methods.defaults({}) | params
    return methods.fit(values, data, seed=0, threads=1, on_round=lambda learned, loss: None)


def log(
    fitted: Any,
    tracks: pd.DataFrame,
    *,
    family: Family,
    horizon: HorizonName = "started",
    groups: tuple[Group, ...] = TRACK_GROUPS,
    listeners: pd.DataFrame | None = None,
    train: Dataset | None = None,
) -> "ModelInfo":
    """Log a fitted model to a run of its own."""
    import mlflow  # here: most tests need neither it nor the seconds that it takes

    from skipcast.serving.packaging import log_model

    # The default experiment: a search in this process may have made one of another store current.
    with mlflow.start_run(experiment_id="0"):
        return log_model(
            fitted,
            tracks,
            family=family,
            horizon=horizon,
            groups=groups,
            listeners=listeners,
            train=train,
        )


class Served:
    """Loads the model that `info` tells of."""

    info: "ModelInfo"

    @cached_property
    def served(self) -> "PyFuncModel":
        """Return the logged model, loaded into this process."""
        import mlflow  # here: most tests need neither it nor the seconds that it takes

        model: PyFuncModel = mlflow.pyfunc.load_model(self.uri)
        return model

    @property
    def uri(self) -> str:
        """Return the address by which MLflow loads the model."""
        return str(self.info.model_uri)


@dataclass(frozen=True)
class LoggedModel(Served):
    """A model that was fitted on the plays of the twin, and where it was logged."""

    family: Family
    horizon: HorizonName
    fitted: Any
    train: Dataset
    info: "ModelInfo"

    def expected(self, features: Matrix) -> Floats:
        """Return what the fitted model answers for rows of features."""
        return FAMILIES[self.family].predict(self.fitted, features)


@dataclass(frozen=True)
class ModelMaker:
    """Fits and logs models on the plays of the twin, each once for all tests of a process."""

    plays: pd.DataFrame
    tracks: pd.DataFrame
    models: dict[tuple[object, ...], LoggedModel]

    def __call__(
        self,
        family: Family = "lightgbm",
        horizon: HorizonName = "started",
        *,
        opposite: bool = False,
        with_training: bool = False,
    ) -> LoggedModel:
        """Return a model; do not change what it logged.

        Args:
            family: of the model, with the parameters `QUICK`.
            horizon: of its features.
            opposite: learned that skipped plays were not skipped, and the others were.
            with_training: logged with a summary of the plays that it was trained on.
        """
        key = (family, horizon, opposite, with_training)
        if key not in self.models:
            self.models[key] = self._make(*key)
        return self.models[key]

    def _make(
        self, family: Family, horizon: HorizonName, opposite: bool, with_training: bool
    ) -> LoggedModel:
        rows = predicted(self.plays, horizon)
        groups = (*TRACK_GROUPS, AHEAD) if HORIZONS[horizon].ahead else TRACK_GROUPS
        features = build_features(self.plays, horizon, groups)[rows].to_numpy()
        part = Dataset.of(
            features,
            self.plays[TARGET].to_numpy()[rows] ^ opposite,
            sessions=pd.factorize(self.plays["session_id"])[0][rows],
            positions=self.plays["session_position"].to_numpy()[rows],
        )
        fitted = fit(family, features, part.skipped, **QUICK[family])
        train = part if with_training else None
        info = log(fitted, self.tracks, family=family, horizon=horizon, groups=groups, train=train)
        return LoggedModel(family, horizon, fitted, part, info)
