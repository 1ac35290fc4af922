"""The served model: raw plays in, a probability of being skipped for each out."""

import json
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import yaml
from mlflow.exceptions import MlflowException
from mlflow.models import Model
from mlflow.protos.databricks_pb2 import INVALID_PARAMETER_VALUE
from mlflow.pyfunc.model import PythonModel, PythonModelContext

from skipcast.arrays import Array, Bools, Floats, Matrix
from skipcast.errors import SkipcastError
from skipcast.features.build import feature_set
from skipcast.models.families import FAMILIES
from skipcast.schema import ANSWER, CODES, THRESHOLD, TRACK_KNOWN, names
from skipcast.serving.guard import is_server, prepare_server
from skipcast.serving.histogram import count, expected
from skipcast.serving.listeners import LISTENERS, read_listeners
from skipcast.serving.metrics import Metrics, watch
from skipcast.serving.request import Plays
from skipcast.serving.request_log import KEEPS, RequestLog
from skipcast.serving.tracks import read_tracks

SCORE_HISTORY = "score_history"  # a param of requests
MAX_PLAYS, THREADS, LOG, LOG_MB = "max_plays", "threads", "log", "log_mb"
CONFIG: dict[str, Any] = {MAX_PLAYS: 10_000, THREADS: 1, LOG: None, LOG_MB: 100}
"""What the variable MLFLOW_PYFUNC_INFERENCE_CONFIG of `mlflow models serve` may change.

A request holds at most so many plays, each candidate counted with its history. One thread is the
fastest for one request; a batch may take all. The log is a folder, with so many megabytes at most.
"""

_logger = logging.getLogger(__name__)

COLUMNS = pd.Index(names(ANSWER), dtype=object)


class SkipModel(PythonModel):
    """What `mlflow models serve` calls."""

    def load_context(self, context: PythonModelContext) -> None:
        """Read the model's own files."""
        prepare_server()
        files = {name: Path(path) for name, path in context.artifacts.items()}
        about = json.loads(files["model.json"].read_text(encoding="utf-8"))
        config = CONFIG | (context.model_config or {})
        self._horizon = about["horizon"]
        self._skip = about["skip"]
        self._features = feature_set(about["horizon"], about["groups"])
        self._asks_of_tracks = any(
            not b.reads.isdisjoint(TRACK_KNOWN) for b in self._features.blocks
        )
        self._limit = config[MAX_PLAYS]
        self._family = FAMILIES[about["family"]]
        self._model = self._family.load(files["classifier"], threads=config[THREADS])
        self._tracks = read_tracks(files["tracks.parquet"])
        self._listeners = read_listeners(files[LISTENERS]) if LISTENERS in files else None
        self._trained = json.loads(files["trained.json"].read_text(encoding="utf-8"))
        self._log: RequestLog | None = None
        self._metrics: Metrics | None = None
        if config[LOG] is not None or is_server():
            version = version_of(files["model.json"].parents[1])
            if config[LOG] is not None:
                self._log = self._open_log(version, Path(config[LOG]), config[LOG_MB])
            if is_server():
                self._metrics = watch({"version": version, **_texts(about)}, self._log)

    def _open_log(self, version: str, folder: Path, megabytes: int) -> RequestLog | None:
        """Return the log of the answers and say what it keeps; None where it cannot be written."""
        try:
            log = RequestLog(
                folder,
                megabytes=megabytes,
                version=version,
                features=[*self._features.names],
                edges=self._trained and self._trained["edges"],
            )
        except (OSError, ValueError) as error:
            _logger.warning("The answers are not logged: %s", error)
            return None
        _logger.warning(KEEPS, folder, megabytes)
        return log

    def predict(
        self,
        context: PythonModelContext,
        model_input: pd.DataFrame,
        params: Mapping[str, Any] | None = None,
    ) -> pd.DataFrame:
        """Score raw plays.

        Args:
            context: not used; `load_context` has read it.
            model_input: columns of `schema.INPUTS`, in any order; sessions from the first play on.
            params: `score_history` true also scores plays that have ended.

        Returns:
            A row for each input row, in its order, columns `schema.ANSWER`: skip_probability is
            0..1, skipped whether it is `THRESHOLD` or more, both None for a play that is not
            scored; track_known whether the model's table has the track; history_until the day that
            the model knows the listener up to, None where it does not.

        Raises:
            MlflowException: the request breaks a rule; the server answers 400 with its text.
        """
        plays = self._read(model_input)
        history = bool((params or {}).get(SCORE_HISTORY))
        probability, features = self._probability(plays, history=history)
        self._tell(plays, probability, features)
        is_scored = ~np.isnan(probability)
        columns = {
            "session_id": plays.columns["session_id"],
            "session_position": plays.columns["session_position"].astype(np.int64),
            "track_id_clean": plays.columns["track_id_clean"],
            "skip_probability": _or_none(probability, is_scored),
            "skipped": _or_none(probability >= THRESHOLD, is_scored),
            "track_known": plays.track_known,
            "history_until": plays.history_until,
        }
        # One table of objects, as nulls make two columns anyway: the fastest to make and send.
        table = np.empty((len(probability), len(COLUMNS)), object)
        for place, name in enumerate(COLUMNS):
            table[:, place] = columns[name]
        return pd.DataFrame(table, columns=COLUMNS, dtype=object, copy=False)

    def _probability(self, plays: Plays, *, history: bool) -> tuple[Floats, Matrix]:
        """Return the probability of each play, NaN where it is not to be scored.

        And the features of those that are open.
        """
        is_asked = plays.predicted if history else plays.predicted & plays.open
        probability = np.full(len(is_asked), np.nan)
        if not is_asked.any():
            return probability, np.empty((0, len(self._features.names)), np.float32)
        rows = plays.features(self._features, None if is_asked.all() else is_asked)
        probability[is_asked] = self._family.predict(self._model, rows)
        return probability, rows[plays.open[is_asked]] if history else rows

    def _tell(self, plays: Plays, probability: Floats, features: Matrix) -> None:
        """Log and count what is answered, where that is asked for."""
        known = plays.track_known | (not self._asks_of_tracks)
        if self._log is not None:
            self._log.write(
                plays.columns,
                plays.histories,
                probability=probability,
                is_open=plays.open,
                known=known,
                features=features,
            )
        if self._metrics is not None:
            self._metrics.count_plays(known, probability)

    def explain(self, plays: pd.DataFrame) -> pd.DataFrame:
        """Tell what each feature adds to the log-odds that a play is skipped.

        Args:
            plays: as for `predict`.

        Returns:
            A row for each input row, in its order; a column per feature and `base`, what they
            start from. A row adds up to the log-odds of `predict`'s probability.

        Raises:
            MlflowException: the request breaks a rule.
        """
        features = self._read(plays).features(self._features)
        columns = [*self._features.names, "base"]
        return pd.DataFrame(self._family.contributions(self._model, features), columns=columns)

    def summarise(self, plays: pd.DataFrame, answer: pd.DataFrame) -> dict[str, Any]:
        """Count the figures that compare plays with those that the model was trained on.

        Args:
            plays: as for `predict`.
            answer: what `predict` returned for them.

        Returns:
            `plays` and `scored`, their numbers; `unknown_tracks`, plays whose track the model
            lacks, 0 if it asks nothing of tracks; `unseen_categories`, by column, plays with a text
            that no model has seen; of the scored plays `sessions`, their number, `probability` and
            `probability_squared`, the sums, and `counts`, features x bins; `features`, their names;
            `expected`, what `histogram.expected` returns for the scored plays. The model must have
            been logged with its training plays for `counts`, else empty, and `expected`, else None.
        """
        is_scored = answer["skip_probability"].notna().to_numpy()
        scored = answer[is_scored]
        features = self._read(plays).features(self._features, is_scored)
        probability = scored["skip_probability"].to_numpy(np.float64)
        positions = scored["session_position"].to_numpy(np.intp)
        unseen = {
            name: int((plays[name].notna() & ~plays[name].isin(texts)).sum())
            for name, texts in CODES.items()
            if name in plays
        }
        return {
            "plays": len(plays),
            "scored": len(scored),
            "unknown_tracks": int((~answer["track_known"].astype(bool)).sum())
            if self._asks_of_tracks
            else 0,
            "unseen_categories": unseen,
            "sessions": int(scored["session_id"].nunique()),
            "probability": float(probability.sum()),
            "probability_squared": float((probability**2).sum()),
            "counts": count(features, self._trained["edges"]).tolist() if self._trained else [],
            "features": [*self._features.names],
            "expected": self._trained and expected(self._trained, positions),
        }

    def _read(self, data: Any) -> Plays:
        try:
            return Plays(
                data,
                self._tracks,
                self._horizon,
                self._limit,
                skip=self._skip,
                listeners=self._listeners,
            )
        except SkipcastError as error:
            raise MlflowException(str(error), error_code=INVALID_PARAMETER_VALUE) from error


def version_of(folder: Path) -> str:
    """Return the version that a model has in the registry; else the id that it was logged by."""
    registered = folder / "registered_model_meta"  # MLflow writes it where it downloads a version
    if registered.exists():
        version = yaml.safe_load(registered.read_text(encoding="utf-8")).get("model_version")
        if version is not None:
            return str(version)
    return str(Model.load(str(folder)).model_id)


def _texts(about: Mapping[str, Any]) -> dict[str, str]:
    return {name: value for name, value in about.items() if isinstance(value, str)}


def _or_none(values: Array, is_present: Bools) -> Array:
    """Return the values as Python objects, None where they are not present."""
    objects: Array = values.astype(object)
    objects[~is_present] = None
    return objects
