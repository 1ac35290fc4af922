"""The stage `promote`: the candidate on the test sessions, beside baselines and the champion.

`judge` only reads; `publish.py` does what follows from it.
"""

from dataclasses import dataclass, replace
from typing import TypedDict

import numpy as np
import pandas as pd

from skipcast.artifacts import SearchResult
from skipcast.errors import SkipcastError
from skipcast.evaluation.baselines import BASELINES, best_rule
from skipcast.evaluation.bootstrap import Interval
from skipcast.evaluation.scores import (
    Comparison,
    HeldOut,
    Scores,
    Slices,
    accuracy_by_position,
    compare,
    errors_removed,
    rule_scores,
    scores,
    slice_scores,
)
from skipcast.models.families import Family
from skipcast.params import Params
from skipcast.promotion.answers import Answers, ask
from skipcast.promotion.gate import Verdict, Yardstick, decide
from skipcast.promotion.listeners import ListenerScores, by_listener
from skipcast.promotion.registry import Registry
from skipcast.schema import Label

CARRIERS = 5  # features named where a leak is probable


@dataclass(frozen=True)
class Judgement:
    """All that a promotion knows before it changes anything."""

    family: Family  # of the candidate
    skip: Label  # what counts as a skip
    champion: int | None  # its version; None where there is none
    kept: bool  # whether the candidate is the champion already
    answers: Answers
    scores: dict[str, Scores]  # baselines, families, "candidate" and, where it answers, "champion"
    slices: dict[str, Slices]  # baselines and "candidate"
    plays_in: dict[str, dict[str, int]]  # each slice
    listeners: dict[str, ListenerScores]  # by id
    positions: dict[str, dict[int, Interval]]  # accuracy; as slices
    comparison: Comparison | None  # with the champion; None where it did not answer
    verdict: Verdict


def judge(
    plays: pd.DataFrame,
    features: pd.DataFrame,
    result: SearchResult,
    params: Params,
    registry: Registry,
    *,
    with_champion: bool = True,
) -> Judgement:
    """Score the candidate, the baselines and the champion on the test sessions; decide.

    Args:
        plays: raw plays with their track features, in order of session and position.
        features: what the stage `features` made of them.
        result: of the search, `data/search.json`.
        params: all of them.
        registry: of the model; only read.
        with_champion: compare with the champion; False for one whose files are gone.

    Raises:
        SkipcastError: there are too few test sessions or outcomes, the registry does not answer,
            the candidate cannot be scored, or files of a champion to compare with are gone.
    """
    registry.check_candidate(result)
    champion = registry.champion()
    kept = champion is not None and (
        registry.origin(champion) == registry.find(result.candidate.model_uri)
    )
    to_ask = None if kept else champion
    rival = None if to_ask is None else _rival(registry, to_ask, is_asked=with_champion)
    answers = ask(plays, features, result, params, rival)
    if to_ask is not None and not with_champion:
        answers = replace(answers, unfit="its files are gone")
    test = _held_out(answers, params)
    scores_of = _scores(test, answers)
    comparison = _compared(test, answers)
    yardstick = _yardstick(test, answers, scores_of, result.best)
    verdict = decide(
        scores_of["candidate"],
        comparison,
        params.promote,
        yardstick=yardstick,
        rank_by=result.ranked_by,
    )
    return Judgement(
        family=result.best,
        skip=params.features.skip,
        champion=champion,
        kept=kept,
        answers=answers,
        scores=scores_of,
        **_details(test, answers),
        comparison=comparison,
        verdict=verdict,
    )


def _yardstick(
    test: HeldOut, answers: Answers, scores_of: dict[str, Scores], family: Family
) -> Yardstick:
    """Return how well rules do: what is far better than they are is most likely a leak."""
    accuracy = {name: scores_of[name]["accuracy"].value for name in answers.baselines}
    rule = best_rule(accuracy)
    removed = errors_removed(test, answers.candidate, answers.baselines[rule])
    carriers = answers.explained[family].top(CARRIERS)
    rates = [name for name in answers.baselines if BASELINES[name].kind == "rate"]
    drift = min(scores_of[name]["calibration_error"].value for name in rates)
    return Yardstick(BASELINES[rule].label, accuracy[rule], removed, drift, carriers)


def _held_out(answers: Answers, params: Params) -> HeldOut:
    seed, samples = params.promote.seed, params.promote.samples
    return HeldOut.of(answers.plays, params.features.horizon, seed=seed, samples=samples)


def _compared(test: HeldOut, answers: Answers) -> Comparison | None:
    rivals = answers.champion
    return None if rivals is None else compare(test, answers.candidate, rivals)


def _rival(registry: Registry, champion: int, *, is_asked: bool) -> str | None:
    """Return MLflow's name of the champion, None where it is not to be asked."""
    if is_asked:
        registry.check_comparable(champion)
        return f"models:/{registry.name}/{champion}"
    if registry.missing_file(champion) is None:
        raise SkipcastError(
            "--without-champion must be for a champion whose files are gone but those of version "
            f"{champion} are there. Leave it out."
        )
    return None


class _Details(TypedDict):
    slices: dict[str, Slices]
    plays_in: dict[str, dict[str, int]]
    listeners: dict[str, ListenerScores]
    positions: dict[str, dict[int, Interval]]


def _details(test: HeldOut, answers: Answers) -> _Details:
    """Score baselines and candidate in slices, by listener and by position."""
    probabilities = {**answers.baselines, "candidate": answers.candidate}
    slices = {name: slice_scores(test, p) for name, p in probabilities.items()}
    return {
        "slices": slices,
        "listeners": by_listener(test, slices),
        "plays_in": {k: {v: int(r.sum()) for v, r in s.items()} for k, s in test.slices.items()},
        "positions": {name: accuracy_by_position(test, p) for name, p in probabilities.items()},
    }


def _scores(test: HeldOut, answers: Answers) -> dict[str, Scores]:
    result = {
        name: (rule_scores if BASELINES[name].kind == "rule" else scores)(test, p)
        for name, p in answers.baselines.items()
    }
    result |= {family: scores(test, p) for family, p in answers.families.items()}
    result["candidate"] = scores(test, answers.candidate)
    if answers.champion is not None and not np.isnan(answers.champion).any():
        result["champion"] = scores(test, answers.champion)
    return result
