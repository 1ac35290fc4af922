"""The stage `promote`: the candidate on the test sessions, beside baselines and the champion.

`judge` only reads; `registry.py` does what follows from it.
"""

import subprocess
import sys
import tempfile
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import joblib
import mlflow
import numpy as np
import numpy.typing as npt
import pandas as pd
from mlflow import MlflowClient

from skipcast.baselines import BASELINES, RULES, baselines
from skipcast.bootstrap import Floats, Interval, check_enough
from skipcast.errors import SkipcastError
from skipcast.evaluate import (
    Comparison,
    HeldOut,
    Scores,
    Slices,
    accuracy_by_position,
    compare,
    rule_scores,
    scores,
    slice_scores,
)
from skipcast.explain import Explained, explain
from skipcast.family import Matrix
from skipcast.features import KEY_COLUMNS, predicted
from skipcast.gate import Verdict, decide
from skipcast.models import FAMILIES, Family
from skipcast.params import Params
from skipcast.registry import Registry, answering
from skipcast.schema import TARGET
from skipcast.split import split_sessions

CARRIERS = 5  # features named where a leak is probable
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


@dataclass(frozen=True)
class Judgement:
    """All that a promotion found out before it changes anything."""

    family: Family  # of the candidate
    champion: int | None  # version
    kept: bool  # the candidate is the champion already
    answers: Answers
    scores: dict[str, Scores]  # baselines, families, "candidate" and, where it answers, "champion"
    slices: dict[str, Slices]  # baselines and "candidate"
    plays_in: dict[str, dict[str, int]]  # each slice
    positions: dict[str, dict[int, Interval]]  # accuracy; as slices
    comparison: Comparison | None
    verdict: Verdict


def judge(
    plays: pd.DataFrame,
    features: pd.DataFrame,
    found: dict[str, Any],
    params: Params,
    registry: Registry,
) -> Judgement:
    """Score the candidate, the baselines and the champion on the test sessions; decide.

    Args:
        plays: raw plays with their track features, in order of session and position.
        features: what the stage `features` made of them.
        found: what the search found, `data/search.json`.
        params: all of them.
        registry: of the model; only read.

    Raises:
        SkipcastError: there are too few test sessions or outcomes, the registry does not answer,
            or the candidate cannot be scored.
    """
    family: Family = found["best"]
    champion = registry.champion()
    kept = champion is not None and champion == registry.find(found["families"][family]["run_id"])
    rival = None if champion is None or kept else f"models:/{registry.name}/{champion}"
    answers = ask(plays, features, found, params, rival)
    test = HeldOut.of(
        answers.plays,
        params.features.horizon,
        seed=params.promote.seed,
        samples=params.promote.samples,
    )
    comparison = None
    if answers.champion is not None:
        comparison = compare(test, answers.candidate, answers.champion)
    scored = _scores(test, answers)
    carriers = answers.explained[family].top(CARRIERS)
    verdict = decide(scored["candidate"], comparison, params.promote, carriers=carriers)
    probabilities = {name: answers.others[name] for name in BASELINES}
    probabilities["candidate"] = answers.candidate
    return Judgement(
        family=family,
        champion=champion,
        kept=kept,
        answers=answers,
        scores=scored,
        slices={name: slice_scores(test, p) for name, p in probabilities.items()},
        plays_in={k: {v: int(r.sum()) for v, r in s.items()} for k, s in test.slices.items()},
        positions={name: accuracy_by_position(test, p) for name, p in probabilities.items()},
        comparison=comparison,
        verdict=verdict,
    )


def _scores(test: HeldOut, answers: Answers) -> dict[str, Scores]:
    result = {
        name: rule_scores(test, p) if name in RULES else scores(test, p)
        for name, p in answers.others.items()
    }
    result["candidate"] = scores(test, answers.candidate)
    if answers.champion is not None and not np.isnan(answers.champion).any():
        result["champion"] = scores(test, answers.champion)
    return result


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
    features: pd.DataFrame, parts: npt.NDArray[np.str_], found: dict[str, Any], seed: int
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
    with tempfile.TemporaryDirectory() as folder:
        given, out = Path(folder, "plays.parquet"), Path(folder, "out.parquet")
        plays.to_parquet(given)
        script = Path(__file__).with_name("score.py")
        done = subprocess.run(
            # -P: the folder of the script must not shadow the package that the model brings.
            [sys.executable, "-P", script, model_uri, given, out],
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            last = " ".join(done.stderr.strip().splitlines()[-1:])
            raise SkipcastError(f"{model_uri} must score the test sessions but failed: {last}")
        answer = pd.read_parquet(out)
    if len(answer) != len(plays) or "skip_probability" not in answer:
        raise SkipcastError(
            f"{model_uri} must give a skip_probability for each of {len(plays)} plays but gave "
            f"{len(answer)} rows of {', '.join(map(str, answer))}."
        )
    return answer["skip_probability"].to_numpy(np.float64)
