"""What the candidate, the champion, the families and the baselines answer for the test plays."""

import tempfile
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import joblib
import mlflow
import numpy as np
import pandas as pd
import pyarrow as pa
from mlflow import MlflowClient

from skipcast.arrays import Floats, Labels, Matrix
from skipcast.clients import batch
from skipcast.errors import SkipcastError
from skipcast.evaluation.baselines import baselines
from skipcast.evaluation.bootstrap import check_enough
from skipcast.evaluation.explain import Explained, explain
from skipcast.evaluation.split import split_sessions
from skipcast.features.build import KEY_COLUMNS, predicted
from skipcast.models.families import FAMILIES, Family
from skipcast.params import Params
from skipcast.promotion.registry import answering
from skipcast.schema import TARGET

BOOSTERS: tuple[Family, ...] = ("lightgbm", "xgboost")


@dataclass(frozen=True)
class Answers:
    """What the models say to the test plays that the horizon predicts."""

    plays: pd.DataFrame  # raw
    candidate: Floats  # probabilities, from the served model
    champion: Floats | None  # the same; NaN where it predicts none, None where there is none
    unfit: str | None  # why the champion could not answer
    others: dict[str, Floats]  # baselines, then families
    explained: dict[Family, Explained]  # the candidate, and the best booster


def ask(
    plays: pd.DataFrame,
    features: pd.DataFrame,
    found: dict[str, Any],
    params: Params,
    rival: str | None,
) -> Answers:
    """Have all models answer the test plays; arguments as `judge`, and MLflow's name of a rival.

    Raises:
        SkipcastError: as `judge`.
    """
    counts = predicted(plays, params.features.horizon)
    parts = split_sessions(plays["session_id"], params.split)
    _check_same_plays(plays[counts], features)
    raw, asked = plays[parts == "test"], counts[parts == "test"]
    check_enough(raw.loc[asked, TARGET].to_numpy(dtype=bool), raw["session_id"].nunique())
    with ThreadPoolExecutor() as pool:
        # These are processes of their own; meanwhile this one fits and asks the others.
        candidate = pool.submit(score, found["families"][found["best"]]["model_uri"], raw)
        champion = pool.submit(score, rival, raw) if rival else None
        others = baselines(plays, parts, params.features.horizon)
        families, explained = _ask_families(features, parts[counts], found, params.promote.seed)
        given, unfit = _answer(champion)
        return Answers(
            plays=raw[asked],
            candidate=_whole(candidate.result()[asked]),
            champion=None if given is None else given[asked],
            unfit=unfit,
            others=others | families,
            explained=explained,
        )


def _check_same_plays(plays: pd.DataFrame, features: pd.DataFrame) -> None:
    keys = list(KEY_COLUMNS)
    if not np.array_equal(plays[keys].to_numpy(), features[keys].to_numpy()):
        raise SkipcastError(
            "data/features.parquet must hold the plays of data/plays.parquet but holds others. "
            "`dvc repro` makes what is out of date."
        )


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
    except SkipcastError as error:
        return None, str(error)
    if np.isnan(answer).all():
        return None, "it predicts none of the test plays"
    return answer, None


def _ask_families(
    features: pd.DataFrame, parts: Labels, found: dict[str, Any], seed: int
) -> tuple[dict[str, Floats], dict[Family, Explained]]:
    """Ask the best model of each family; explain the candidate and the best booster."""
    names = tuple(str(name) for name in features if name not in (*KEY_COLUMNS, "skipped"))
    matrix: Matrix = features.loc[parts == "test", list(names)].to_numpy(np.float32)
    families: dict[Family, dict[str, Any]] = found["families"]
    models = {family: _classifier(family, best["model_uri"]) for family, best in families.items()}
    answers = {family: FAMILIES[family].predict(model, matrix) for family, model in models.items()}
    shown = {found["best"], *_best_booster(families)}
    explained = {f: explain(f, models[f], matrix, names, seed=seed) for f in models if f in shown}
    return {str(family): answer for family, answer in answers.items()}, explained


def _best_booster(families: dict[Family, dict[str, Any]]) -> list[Family]:
    ranked = sorted(
        (f for f in families if f in BOOSTERS), key=lambda f: -float(families[f]["accuracy"])
    )
    return ranked[:1]


def _classifier(family: Family, model_uri: str) -> Any:
    model_id = model_uri.removeprefix("models:/")
    with answering(f"give the best {family} model"), tempfile.TemporaryDirectory() as folder:
        place = MlflowClient().get_logged_model(model_id).artifact_location
        path = mlflow.artifacts.download_artifacts(f"{place}/artifacts/classifier", dst_path=folder)
        return FAMILIES[family].load(Path(path), joblib.cpu_count())


def score(model_uri: str, plays: pd.DataFrame) -> Floats:
    """Have a model answer raw plays with the code that it brings.

    Returns:
        A probability for each play, NaN where the model's horizon predicts none.

    Raises:
        SkipcastError: the model does not load, or refuses the plays.
    """
    table = pa.Table.from_pandas(plays, preserve_index=False)
    answers = [answer for answer, _ in batch.score([table], model_uri, history=True)]
    return np.concatenate([a["skip_probability"].to_numpy(False) for a in answers])
