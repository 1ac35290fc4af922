"""Models that tests fit and log: the one place that calls a family's `fit` and `log_model`."""

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import pandas as pd

from skipcast.arrays import Bools, Floats, Matrix
from skipcast.features.build import ALL, build_features, predicted
from skipcast.models.families import FAMILIES, Family
from skipcast.models.family import Part
from skipcast.params import Features
from skipcast.schema import TARGET, Horizon

if TYPE_CHECKING:
    from mlflow.models.model import ModelInfo
    from mlflow.pyfunc import PyFuncModel

QUICK: dict[Family, dict[str, object]] = {
    "lightgbm": {"learning_rate": 0.3, "num_leaves": 7},
    "xgboost": {"learning_rate": 0.3},
    "logistic": {},
}


def fit(family: Family, features: Matrix, skipped: Bools, **params: object) -> Any:
    """Fit a model of a family on plays, validated on the same; `params` over the defaults."""
    part = Part(features, skipped)
    methods = FAMILIES[family]
    data = methods.prepare(part, part)
    return methods.fit(methods.defaults({}) | params, data, 0, 1, lambda *_: None)


def log(
    fitted: Any,
    tracks: pd.DataFrame,
    *,
    family: Family,
    horizon: Horizon = "started",
    train: Part | None = None,
) -> "ModelInfo":
    """Log a fitted model to a run of its own."""
    import mlflow  # here: most tests need neither it nor the seconds that it takes

    from skipcast.serving.packaging import log_model

    features = Features(horizon=horizon, groups=ALL)
    with mlflow.start_run():
        return log_model(fitted, tracks, family=family, features=features, train=train)


@dataclass(frozen=True)
class LoggedModel:
    """A model that was fitted on the plays of the twin, and where it was logged."""

    family: Family
    horizon: Horizon
    fitted: Any
    train: Part
    info: "ModelInfo"

    @cached_property
    def served(self) -> "PyFuncModel":
        """Return the logged model, loaded into this process."""
        import mlflow

        model: PyFuncModel = mlflow.pyfunc.load_model(self.uri)
        return model

    @property
    def uri(self) -> str:
        """Return the address by which MLflow loads the model."""
        return str(self.info.model_uri)

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
        horizon: Horizon = "started",
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
        self, family: Family, horizon: Horizon, opposite: bool, with_training: bool
    ) -> LoggedModel:
        rows = predicted(self.plays, horizon)
        features = build_features(self.plays, horizon)[rows].to_numpy()
        part = Part(features, self.plays[TARGET].to_numpy()[rows] ^ opposite)
        fitted = fit(family, part.features, part.skipped, **QUICK[family])
        train = part if with_training else None
        info = log(fitted, self.tracks, family=family, horizon=horizon, train=train)
        return LoggedModel(family, horizon, fitted, part, info)
