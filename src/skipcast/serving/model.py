"""The served model: raw plays in, a probability of being skipped for each out."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import INVALID_PARAMETER_VALUE
from mlflow.pyfunc.model import PythonModel, PythonModelContext

from skipcast.arrays import Array, Bools, Floats
from skipcast.errors import SkipcastError
from skipcast.features.build import feature_set
from skipcast.models.families import FAMILIES
from skipcast.schema import ANSWER, CODES, THRESHOLD, TRACK_KNOWN, names
from skipcast.serving.guard import prepare_server
from skipcast.serving.histogram import count, expected
from skipcast.serving.listeners import LISTENERS, read_listeners
from skipcast.serving.request import Plays
from skipcast.serving.tracks import read_tracks

SCORE_HISTORY = "score_history"  # a param of requests
MAX_PLAYS, THREADS = "max_plays", "threads"
CONFIG: dict[str, Any] = {MAX_PLAYS: 10_000, THREADS: 1}
"""What `mlflow models serve --model-config` may change.

A request holds at most so many plays, each candidate counted with its history. One thread is the
fastest for one request; a batch may take all.
"""

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
        probability = self._probability(plays, history=history)
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

    def _probability(self, plays: Plays, *, history: bool) -> Floats:
        """Return the probability of each play, NaN where it is not to be scored."""
        is_asked = plays.predicted if history else plays.predicted & plays.open
        probability = np.full(len(is_asked), np.nan)
        if is_asked.any():
            features = plays.features(self._features)
            rows = features if is_asked.all() else features[is_asked]
            probability[is_asked] = self._family.predict(self._model, rows)
        return probability

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
        features = self._read(plays).features(self._features)[is_scored]
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


def _or_none(values: Array, is_present: Bools) -> Array:
    """Return the values as Python objects, None where they are not present."""
    objects: Array = values.astype(object)
    objects[~is_present] = None
    return objects
