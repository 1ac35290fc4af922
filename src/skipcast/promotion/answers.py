"""What the candidate, the champion, the families and the baselines answer for the test plays.

Answers are asked for one part of the plays after another, and summed up at once.
"""

import tempfile
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import mlflow
import numpy as np
import pandas as pd
import pyarrow as pa
from mlflow import MlflowClient

from skipcast.arrays import Floats, Matrix
from skipcast.artifacts import SearchResult
from skipcast.clients import batch
from skipcast.clients.model_process import ChangedFilesError
from skipcast.errors import SkipcastError
from skipcast.evaluation.baselines import Learned
from skipcast.evaluation.explain import Explained, explain
from skipcast.evaluation.held_out import (
    CANDIDATE,
    CHAMPION,
    HeldOut,
    JudgedPlays,
    lively_session,
    tally,
)
from skipcast.evaluation.slices import ALL
from skipcast.evaluation.training import Training, predict
from skipcast.mlflow_store.client import store_errors
from skipcast.mlflow_store.place import MAKE_AGAIN
from skipcast.models.families import FAMILIES, Family
from skipcast.params import Params
from skipcast.processes import ProcessKilledError, cpu_count
from skipcast.promotion.contents import inputs_of, label_of
from skipcast.promotion.sources import JudgedPart, Sources
from skipcast.reading.columns import read_column
from skipcast.schema import INPUTS, Label

T = TypeVar("T")


@dataclass(frozen=True)
class Answers:
    """What the models answer for the test plays that the horizon predicts.

    Attributes:
        test: the sums over all plays: of the baselines that the data have, of the best of each
            family, of the candidate as it is served, and of the champion where it answers.
        unfit: why the champion could not answer; None where it did or there is none.
        baselines: their names.
        explained: the candidate, and the best booster.
        session: the plays of the liveliest session.
    """

    test: HeldOut
    unfit: str | None
    baselines: list[str]
    explained: dict[Family, Explained]
    session: pd.DataFrame


def ask(sources: Sources, result: SearchResult, params: Params, rival: str | None) -> Answers:
    """Have all models answer the test plays.

    Args:
        sources: plays and features.
        result: of the search.
        params: all of them.
        rival: MLflow's name of the champion; None where there is none to ask.

    Raises:
        SkipcastError: the sources are not of each other, or a model fails that is not the champion.
    """
    models = {f: _classifier(f, best.model_uri) for f, best in result.families.items()}
    with ExitStack() as stack:
        # The registered models are processes of their own; meanwhile, the baselines learn.
        learning = stack.enter_context(ThreadPoolExecutor(1)).submit(_learn, sources, params)
        candidate = stack.enter_context(closing(Stream(result.candidate.model_uri, sources)))
        champion = stack.enter_context(closing(Rival(rival, sources, params.features.skip)))
        gathered = _Gathered(params)
        for number in range(len(sources)):
            part = sources.test_part(number)
            answers = {CANDIDATE: _whole(candidate.take(part))}
            answers |= champion.take(part)
            names, learned = learning.result()
            answers |= {f: FAMILIES[f].predict(model, part.matrix) for f, model in models.items()}
            answers |= predict(
                learned, part.plays, part.rows, names=names, horizon=params.features.horizon
            )
            gathered.add(part, answers)
    test = gathered.test
    if rival and champion.unfit is None and not (test.pair and test.pair.by_slice[ALL][2, 0]):
        champion.unfit = "it predicts none of the test plays"
    to_explain = {result.best, *_best_booster(result)}
    explained = {f: explain(f, models[f], *gathered.to_explain) for f in models if f in to_explain}
    return Answers(test, champion.unfit, names, explained, gathered.session)


def _learn(sources: Sources, params: Params) -> tuple[list[str], Learned]:
    """Return the names of the baselines that the data have, and what they learn."""
    training = Training(params.features.horizon)
    for number in range(len(sources)):
        part = sources.train_part(number)
        training.see(part.plays)
        training.count(part.plays, part.rows)
        training.add_recipe(part.recipe, part.recipe_rows)
    return training.names, training.learned()


class Stream:
    """A model's answers to the test plays of all parts, in their order."""

    def __init__(self, model_uri: str, sources: Sources) -> None:
        """Ask a model, by MLflow's name of it."""
        parts = (sources.test_part(number).plays for number in range(len(sources)))
        self._answers = stream(model_uri, parts)
        self._waiting = np.empty(0)

    def take(self, part: JudgedPart) -> Floats:
        """Return the probabilities of the plays of a part that the horizon predicts.

        NaN where the model's own horizon predicts none. Parts come in their order.
        """
        plays = len(part.plays)
        while len(self._waiting) < plays:
            self._waiting = np.append(self._waiting, next(self._answers))
        answer, self._waiting = self._waiting[:plays], self._waiting[plays:]
        return answer[part.rows]

    def close(self) -> None:
        """End the model's processes."""
        self._answers.close()


class Rival:
    """The champion. It may be of another time: where it fails, `unfit` says why."""

    def __init__(self, model_uri: str | None, sources: Sources, skip: Label) -> None:
        """Ask a model, by MLflow's name of it; None asks nobody."""
        self.unfit: str | None = None
        self._stream: Stream | None = None
        if model_uri is not None:
            self._stream = self._try(lambda: _ask_rival(model_uri, sources, skip))

    def take(self, part: JudgedPart) -> dict[str, Floats]:
        """Return what `Stream.take` does, by name; nothing from a model that has failed."""
        answers = self._stream
        if answers is None or self.unfit is not None:
            return {}
        taken = self._try(lambda: answers.take(part))
        return {} if taken is None else {CHAMPION: taken}

    def _try(self, ask: Callable[[], T]) -> T | None:
        try:
            return ask()
        except (ProcessKilledError, ChangedFilesError):
            raise  # it might have answered
        except SkipcastError as error:
            self.unfit = str(error)
            return None

    def close(self) -> None:
        """End the model's processes."""
        if self._stream is not None:
            self._stream.close()


def _ask_rival(model_uri: str, sources: Sources, skip: Label) -> Stream:
    theirs = label_of(model_uri)
    if theirs != skip:
        raise SkipcastError(f"it predicts features.skip {theirs}, not {skip}")
    return Stream(model_uri, sources)


class _Gathered:
    """What is kept of the parts: sums, the plays to explain, and the liveliest session."""

    def __init__(self, params: Params) -> None:
        self._params = params
        self._test: HeldOut | None = None
        self._matrices: list[Matrix] = []
        self._names: tuple[str, ...] = ()
        self._session: pd.DataFrame | None = None

    def add(self, part: JudgedPart, answers: dict[str, Floats]) -> None:
        """Add a part and what all models answer to it."""
        if not part.rows.any():
            return
        asked, params = part.plays[part.rows], self._params
        plays = JudgedPlays.of(asked, params.features.horizon, seed=params.promote.seed)
        test = tally(plays, answers, samples=params.promote.samples)
        self._test = test if self._test is None else self._test + test
        self._matrices.append(part.matrix[part.explained])
        self._names = part.names
        self._session = lively_session(asked, self._session)

    @property
    def session(self) -> pd.DataFrame:
        """The plays of the liveliest session."""
        assert self._session is not None
        return self._session

    @property
    def test(self) -> HeldOut:
        """The sums over all parts, of which one or more have test plays."""
        assert self._test is not None
        return self._test

    @property
    def to_explain(self) -> tuple[Matrix, tuple[str, ...]]:
        """The features of the plays to explain, and their names."""
        return np.concatenate(self._matrices), self._names


def _whole(probability: Floats) -> Floats:
    if np.isnan(probability).any():
        raise SkipcastError(
            f"The candidate must answer each play that its horizon predicts but left out "
            f"{np.isnan(probability).sum()}. `dvc repro search` makes it anew."
        )
    return probability


def _best_booster(result: SearchResult) -> list[Family]:
    boosters = (family for family in result.families if FAMILIES[family].boosted)
    return sorted(boosters, key=lambda family: -result.families[family].accuracy)[:1]


def _classifier(family: Family, model_uri: str) -> Any:
    model_id = model_uri.removeprefix("models:/")
    with store_errors(f"give the best {family} model"), tempfile.TemporaryDirectory() as folder:
        place = MlflowClient().get_logged_model(model_id).artifact_location
        path = mlflow.artifacts.download_artifacts(f"{place}/artifacts/classifier", dst_path=folder)
        try:
            return FAMILIES[family].load(Path(path), threads=cpu_count())
        except Exception as error:  # each library has errors of its own for a damaged file
            reason = str(error).splitlines()[0] if str(error) else type(error).__name__
            raise SkipcastError(
                f"The best {family} model must be whole but {place} is damaged: {reason}. Remove "
                f"that folder; then {MAKE_AGAIN} makes it anew."
            ) from error


def stream(model_uri: str, plays: Iterable[pd.DataFrame]) -> Generator[Floats, None, None]:
    """Have a model answer raw plays with the code that it brings.

    Args:
        model_uri: MLflow's name of the model, or the folder of one.
        plays: raw plays of whole sessions, in order; columns that the model does not know are not
            sent.

    Yields:
        The probability of a run of plays, NaN where the model's horizon predicts none.

    Raises:
        SkipcastError: the model does not load, or refuses the plays.
    """
    known = inputs_of(model_uri)
    tables = (_table(part, known) for part in plays if len(part))
    for answer, _ in batch.score(tables, model_uri, history=True):
        yield answer["skip_probability"].to_numpy(zero_copy_only=False)


def _table(plays: pd.DataFrame, known: frozenset[str]) -> pa.Table:
    """Return plays in Arrow, with the same types whatever values a part happens to hold."""
    columns = [column for column in INPUTS if column.name in known and column.name in plays]
    return pa.table(
        {c.name: read_column(c, pa.array(plays[c.name], from_pandas=True)) for c in columns}
    )


def score(model_uri: str, plays: pd.DataFrame) -> Floats:
    """Return the probability of each of some raw plays; arguments and errors as `stream`."""
    return np.concatenate([*stream(model_uri, [plays])])
