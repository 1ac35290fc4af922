"""What the candidate, the champion, the families and the baselines answer for the test plays."""

import tempfile
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import pandas as pd
import pyarrow as pa
from mlflow import MlflowClient

from skipcast.arrays import Floats, Labels, Matrix
from skipcast.artifacts import SearchResult
from skipcast.clients import batch
from skipcast.errors import SkipcastError
from skipcast.evaluation.baselines import baselines
from skipcast.evaluation.bootstrap import check_enough
from skipcast.evaluation.explain import Explained, explain
from skipcast.features.build import targets
from skipcast.features.listener_counts import count_listeners
from skipcast.features.table import KEY_COLUMNS, PART, SKIPPED, feature_columns, with_label
from skipcast.mlflow_store.client import store_errors
from skipcast.mlflow_store.place import MAKE_AGAIN
from skipcast.models.families import FAMILIES, Family
from skipcast.params import Params
from skipcast.processes import ProcessKilledError, cpu_count
from skipcast.promotion.contents import inputs_of, label_of
from skipcast.schema import TARGET, Label
from skipcast.sessions import has_listeners
from skipcast.split import TEST


@dataclass(frozen=True)
class Answers:
    """What the models answer for the test plays that the horizon predicts."""

    plays: pd.DataFrame  # raw
    candidate: Floats  # probabilities, from the served model
    champion: Floats | None  # the same; NaN where it predicts none, None where there is none
    unfit: str | None  # why the champion could not answer; None where it did or there is none
    baselines: dict[str, Floats]  # those that the data have
    families: dict[Family, Floats]  # the best of each
    explained: dict[Family, Explained]  # the candidate, and the best booster


def ask(
    plays: pd.DataFrame,
    features: pd.DataFrame,
    result: SearchResult,
    params: Params,
    rival: str | None,
) -> Answers:
    """Have all models answer the test plays; arguments as `judge`, and MLflow's name of a rival.

    Raises:
        SkipcastError: as `judge`.
    """
    plays = _with_history(with_label(plays, params.features.skip))
    counts = targets(plays, params.features.horizon)
    _check_same_plays(plays[counts], features)
    parts = _parts(plays, features)
    raw, to_predict = plays[parts == TEST], counts[parts == TEST]
    _check_enough(plays, raw[to_predict], params.split.test)
    with ThreadPoolExecutor(2) as pool:
        # These are processes of their own; meanwhile this one fits and asks the others.
        candidate = pool.submit(score, result.candidate.model_uri, raw)
        champion = pool.submit(_ask_rival, rival, raw, params.features.skip) if rival else None
        simple = baselines(plays, parts, params.features.horizon)
        families, explained = _ask_families(features, result, params.promote.seed)
        rivals, unfit = _answer(champion)
        return Answers(
            plays=raw[to_predict],
            candidate=_whole(candidate.result()[to_predict]),
            champion=None if rivals is None else rivals[to_predict],
            unfit=unfit,
            baselines=simple,
            families=families,
            explained=explained,
        )


def _with_history(plays: pd.DataFrame) -> pd.DataFrame:
    """Add what listeners did before each session: a model's own table ends with its training."""
    return plays.join(count_listeners(plays)[0]) if has_listeners(plays) else plays


def _check_enough(plays: pd.DataFrame, test: pd.DataFrame, share: float) -> None:
    check_enough(
        test[TARGET].to_numpy(dtype=bool),
        test["session_id"].nunique(),
        all_plays=len(plays),
        all_sessions=plays["session_id"].nunique(),
        share=share,
    )


def _check_same_plays(plays: pd.DataFrame, features: pd.DataFrame) -> None:
    keys = list(KEY_COLUMNS)
    same = np.array_equal(plays[keys].to_numpy(), features[keys].to_numpy())
    if not same or (plays[TARGET].to_numpy(bool) != features[SKIPPED].to_numpy(bool)).any():
        raise SkipcastError(
            "data/features must hold the plays and the skips of data/plays but "
            "holds others. "
            "`dvc repro` makes what is out of date."
        )


def _parts(plays: pd.DataFrame, features: pd.DataFrame) -> Labels:
    """Return the part of each play; "none" in a session of which no play counts."""
    sessions = features.drop_duplicates("session_id").set_index("session_id")[PART]
    parts: Labels = plays["session_id"].map(sessions).fillna("none").to_numpy()
    return parts


def _whole(probability: Floats) -> Floats:
    if np.isnan(probability).any():
        raise SkipcastError(
            f"The candidate must answer each play that its horizon predicts but left out "
            f"{np.isnan(probability).sum()}. `dvc repro search` makes it anew."
        )
    return probability


def _answer(champion: "Future[Floats] | None") -> tuple[Floats | None, str | None]:
    """Return what the champion answers, or why it does not; a champion may be of another time."""
    if champion is None:
        return None, None
    try:
        answer = champion.result()
    except ProcessKilledError:
        raise  # it might have answered
    except SkipcastError as error:
        return None, str(error)
    if np.isnan(answer).all():
        return None, "it predicts none of the test plays"
    return answer, None


def _ask_families(
    features: pd.DataFrame, result: SearchResult, seed: int
) -> tuple[dict[Family, Floats], dict[Family, Explained]]:
    """Ask the best model of each family; explain the candidate and the best booster."""
    names = tuple(feature_columns(features))
    matrix: Matrix = features.loc[features[PART] == TEST, list(names)].to_numpy(np.float32)
    models = {f: _classifier(f, best.model_uri) for f, best in result.families.items()}
    answers = {family: FAMILIES[family].predict(model, matrix) for family, model in models.items()}
    to_explain = {result.best, *_best_booster(result)}
    explained = {
        f: explain(f, models[f], matrix, names, seed=seed) for f in models if f in to_explain
    }
    return answers, explained


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


def _ask_rival(model_uri: str, plays: pd.DataFrame, skip: Label) -> Floats:
    theirs = label_of(model_uri)
    if theirs != skip:
        raise SkipcastError(f"it predicts features.skip {theirs}, not {skip}")
    return score(model_uri, plays)


def score(model_uri: str, plays: pd.DataFrame) -> Floats:
    """Have a model answer raw plays with the code that it brings.

    Args:
        model_uri: MLflow's name of the model, or the folder of one.
        plays: raw plays; columns that the model does not know are not sent.

    Returns:
        A probability for each play, NaN where the model's horizon predicts none.

    Raises:
        SkipcastError: the model does not load, or refuses the plays.
    """
    known = inputs_of(model_uri)
    table = pa.Table.from_pandas(plays[[n for n in plays if n in known]], preserve_index=False)
    answers = [answer for answer, _ in batch.score([table], model_uri, history=True)]
    return np.concatenate([a["skip_probability"].to_numpy(False) for a in answers])
