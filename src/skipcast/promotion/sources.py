"""The plays and features that a promotion reads: one part at a time, whatever their number."""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import pandas as pd

from skipcast.arrays import Bools, Floats, Matrix
from skipcast.errors import SkipcastError
from skipcast.evaluation.baselines import RECIPE_PLAYS
from skipcast.evaluation.bootstrap import check_enough
from skipcast.evaluation.explain import MOST_PLAYS
from skipcast.features.build import targets
from skipcast.features.listener_counts import count_listeners
from skipcast.features.table import KEY_COLUMNS, PART, SKIPPED, feature_columns, with_label
from skipcast.params import Params
from skipcast.parts import Parts
from skipcast.schema import TARGET
from skipcast.sessions import has_listeners, hash_sessions, sample_bound
from skipcast.split import TEST, TRAIN


@dataclass(frozen=True)
class Samples:
    """Which sessions are in a sample: those whose hash is below a bound.

    Attributes:
        recipe: of training sessions, from which the article's recipe learns.
        explained: of test sessions, whose plays are explained.
    """

    recipe: float
    explained: float


@dataclass(frozen=True)
class TrainPart:
    """A part with its training plays.

    Attributes:
        plays: raw plays of all its sessions.
        rows: those to learn from.
        recipe: raw plays, with their track features, of the sampled training sessions.
        recipe_rows: those of `recipe` to learn from.
    """

    plays: pd.DataFrame
    rows: Bools
    recipe: pd.DataFrame
    recipe_rows: Bools


@dataclass(frozen=True)
class JudgedPart:
    """The test sessions of a part.

    Attributes:
        plays: raw plays with their track features, those that the horizon does not predict, too.
        rows: those of `plays` that it predicts.
        features: of the predicted plays; columns of the stage `features`.
        explained: those of the predicted plays that are explained.
    """

    plays: pd.DataFrame
    rows: Bools
    features: pd.DataFrame
    explained: Bools

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the features."""
        return tuple(feature_columns(self.features))

    @property
    def matrix(self) -> Matrix:
        """The features: plays x features."""
        matrix: Matrix = self.features[list(self.names)].to_numpy(np.float32)
        return matrix


class Sources:
    """The parts of plays and features, and the tracks."""

    def __init__(self, plays: Parts, features: Parts, tracks: pd.DataFrame, params: Params) -> None:
        """Take what the stages left, and look which sessions there are.

        Args:
            plays: raw plays, columns `schema.LOG`, in order of session and position.
            features: what the stage `features` made of them; part k is of part k of the plays.
            tracks: columns `schema.TRACK`.
            params: all of them.

        Raises:
            SkipcastError: the parts are not of each other, or have too few test sessions.
        """
        self._plays, self._features = plays, features
        if len(plays) != len(features):
            raise self._of_others(min(len(plays), len(features)))
        self._tracks = tracks.set_index("track_id")
        # The first look-up builds what all others use: two at once would see a half of it.
        self._tracks.reindex(self._tracks.index[:1])
        self._params = params
        self._samples = self._survey()
        # The candidate, the champion and the others ask for a part at about the same time.
        self.test_part = lru_cache(maxsize=3)(self._test_part)

    def __len__(self) -> int:
        """Return the number of parts."""
        return len(self._plays)

    def _survey(self) -> Samples:
        """Count plays and skips by session; check that there are enough, and choose samples."""
        parts = [self._sessions(number) for number in range(len(self))]
        sessions = pd.concat(parts, ignore_index=True)
        train, test = (sessions[sessions[PART] == part] for part in (TRAIN, TEST))
        check_enough(
            plays=int(test["plays"].sum()),
            skips=int(test["skips"].sum()),
            sessions=len(test),
            all_plays=int(sessions["plays"].sum()),
            all_sessions=len(sessions),
            share=self._params.split.test,
        )
        bounds = (
            sample_bound(own["hash"].to_numpy(), own["plays"].to_numpy(), most)
            for own, most in ((train, RECIPE_PLAYS), (test, MOST_PLAYS))
        )
        return Samples(*bounds)

    def _sessions(self, number: int) -> pd.DataFrame:
        """Return the sessions of a part that have a play to predict: 17 bytes each."""
        plays = self._features.part(number, ["session_id", PART, SKIPPED])
        by_session = plays.groupby("session_id", sort=False)
        sessions = by_session.agg(
            part=(PART, "first"), plays=(SKIPPED, "size"), skips=(SKIPPED, "sum")
        )
        parts = pd.Categorical(sessions["part"], ["train", "validation", TEST])
        hashes = self._hash(sessions.index.to_series())
        sessions = sessions.reset_index(drop=True).astype({"plays": np.uint32, "skips": np.uint32})
        return sessions.assign(part=parts, hash=hashes)

    def _hash(self, session_ids: pd.Series) -> Floats:
        seed = self._params.promote.seed
        return hash_sessions(session_ids, purpose="promote", seed=seed).astype(np.float64)

    def train_part(self, number: int) -> TrainPart:
        """Read the training plays of a part.

        Raises:
            SkipcastError: the features are not of these plays; or a part is not there or damaged.
        """
        plays = self._labelled(number)
        counts = targets(plays, self._params.features.horizon)
        labels = self._features.part(number, [*KEY_COLUMNS, PART, SKIPPED])
        keys = list(KEY_COLUMNS)
        same = np.array_equal(plays.loc[counts, keys].to_numpy(), labels[keys].to_numpy())
        skipped = plays.loc[counts, TARGET].to_numpy(bool)
        if not same or (skipped != labels[SKIPPED].to_numpy(bool)).any():
            raise self._of_others(number)
        is_train = _are_of(plays, labels, TRAIN)
        ids = plays["session_id"].unique()
        sampled = ids[self._hash(pd.Series(ids)) < self._samples.recipe]
        in_recipe = is_train & plays["session_id"].isin(sampled).to_numpy()
        return TrainPart(
            plays,
            counts & is_train,
            self._with_tracks(plays[in_recipe]),
            counts[in_recipe],
        )

    def _test_part(self, number: int) -> JudgedPart:
        plays, features = self._labelled(number), self._features.part(number)
        is_test = _are_of(plays, features, TEST)
        own = self._with_tracks(plays[is_test])
        features = features[features[PART] == TEST]
        return JudgedPart(
            own,
            targets(own, self._params.features.horizon),
            features,
            self._hash(features["session_id"]) < self._samples.explained,
        )

    def _labelled(self, number: int) -> pd.DataFrame:
        """Return raw plays with what listeners did before, as a model's own table ends earlier."""
        plays = with_label(self._plays.part(number), self._params.features.skip)
        return plays.join(count_listeners(plays)[0]) if has_listeners(plays) else plays

    def _with_tracks(self, plays: pd.DataFrame) -> pd.DataFrame:
        tracks = self._tracks.reindex(plays["track_id_clean"])
        return plays.join(tracks.set_axis(plays.index))

    def _of_others(self, number: int) -> SkipcastError:
        return SkipcastError(
            f"{self._features.folder} must hold the plays and the skips of {self._plays.folder} "
            f"but part {number} holds others. `dvc repro` makes what is out of date."
        )


def _are_of(plays: pd.DataFrame, features: pd.DataFrame, part: str) -> Bools:
    """Tell which plays are of sessions of a part: those that are not predicted, too."""
    own = features.loc[features[PART] == part, "session_id"].unique()
    return plays["session_id"].isin(own).to_numpy()
