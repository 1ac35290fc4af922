"""The stage `promote`: the candidate on the test sessions, beside baselines and the champion.

`judge` only reads; `publish.py` does what follows from it.
"""

from dataclasses import dataclass, replace
from typing import TypedDict

from skipcast.artifacts import SearchResult
from skipcast.errors import SkipcastError
from skipcast.evaluation.baselines import BASELINES, best_rule
from skipcast.evaluation.bootstrap import Interval
from skipcast.evaluation.held_out import CANDIDATE, CHAMPION
from skipcast.evaluation.scores import (
    Comparison,
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
from skipcast.promotion.checks import check_candidate, check_comparable, unfit_of
from skipcast.promotion.gate import Verdict, Yardstick, decide
from skipcast.promotion.listeners import ListenerScores, by_listener
from skipcast.promotion.registry import Registry
from skipcast.promotion.sources import Sources
from skipcast.schema import HorizonName, Label

CARRIERS = 5  # features named where a leak is probable


@dataclass(frozen=True)
class Judgement:
    """All that a promotion knows before it changes anything."""

    family: Family  # of the candidate
    skip: Label  # what counts as a skip
    champion: int | None  # its version; None where there is none
    kept: bool  # whether the candidate is the champion already
    rival: int | None  # the version that it is compared with: what "champion" stands for in scores
    answers: Answers
    scores: dict[str, Scores]  # baselines, families, "candidate" and, where it answers, "champion"
    slices: dict[str, Slices]  # baselines and "candidate"
    plays_in: dict[str, dict[str, int]]  # each slice
    listeners: dict[str, ListenerScores]  # by id
    positions: dict[str, dict[int, Interval]]  # accuracy; as slices
    comparison: Comparison | None  # with the champion; None where it did not answer
    verdict: Verdict


def judge(
    sources: Sources,
    result: SearchResult,
    params: Params,
    registry: Registry,
    *,
    with_champion: bool = True,
) -> Judgement:
    """Score the candidate, the baselines and the champion on the test sessions; decide.

    Args:
        sources: plays and features.
        result: the best of each family, `data/refit.json`.
        params: all of them.
        registry: of the model; only read.
        with_champion: compare with the champion; False for one of another horizon, or whose files
            are gone or changed.

    Raises:
        SkipcastError: the registry does not answer, the candidate cannot be scored, or files of a
            champion to compare with are gone, or it is of another horizon.
    """
    check_candidate(registry, result)
    champion = registry.champion()
    kept = champion is not None and (
        registry.origin(champion) == registry.find(result.candidate.model_uri)
    )
    horizon = params.features.horizon
    rival = champion
    if kept:
        rival = _replaced(registry, champion, horizon) if with_champion else None
    uri, unfit = _asked(registry, rival, horizon, with_champion=with_champion)
    answers = ask(sources, result, params, uri)
    answers = replace(answers, unfit=unfit or answers.unfit)
    scores_of = _scores(answers, result)
    comparison = None if answers.unfit or answers.test.pair is None else compare(answers.test)
    yardstick = _yardstick(answers, scores_of, result.best)
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
        rival=rival,
        answers=answers,
        scores=scores_of,
        **_details(answers),
        comparison=comparison,
        verdict=verdict,
    )


def _yardstick(answers: Answers, scores_of: dict[str, Scores], family: Family) -> Yardstick:
    """Return how well rules do: what is far better than they are is most likely a leak."""
    accuracy = {name: scores_of[name]["accuracy"].value for name in answers.baselines}
    rule = best_rule(accuracy)
    removed = errors_removed(answers.test, CANDIDATE, rule)
    carriers = answers.explained[family].top(CARRIERS)
    rates = [name for name in answers.baselines if BASELINES[name].kind == "rate"]
    drift = min(scores_of[name]["calibration_error"].value for name in rates)
    return Yardstick(BASELINES[rule].label, accuracy[rule], removed, drift, carriers)


def _replaced(registry: Registry, champion: int | None, horizon: HorizonName) -> int | None:
    """Return the version that the champion has replaced, if it can be compared with.

    So a promotion that is repeated, as after a kill at its end, finds what it has found before.
    """
    before = None if champion is None else registry.replaced(champion)
    return before if before is not None and unfit_of(registry, before, horizon) is None else None


def _asked(
    registry: Registry, rival: int | None, horizon: HorizonName, *, with_champion: bool
) -> tuple[str | None, str | None]:
    """Return MLflow's name of the version to ask, if any, or why it is passed over.

    Raises:
        SkipcastError: it cannot be compared with, or is to be passed over although it can.
    """
    if rival is None:
        return None, None
    if with_champion:
        check_comparable(registry, rival, horizon)
        return f"models:/{registry.name}/{rival}", None
    unfit = unfit_of(registry, rival, horizon)
    if unfit is None:
        raise SkipcastError(
            "--without-champion must be for a champion of another horizon, or whose files are gone "
            f"or were changed, but version {rival} can be compared with. Leave it out."
        )
    return None, unfit


class _Details(TypedDict):
    slices: dict[str, Slices]
    plays_in: dict[str, dict[str, int]]
    listeners: dict[str, ListenerScores]
    positions: dict[str, dict[int, Interval]]


def _details(answers: Answers) -> _Details:
    """Score baselines and candidate in slices, by listener and by position."""
    test = answers.test
    names = [*answers.baselines, CANDIDATE]
    slices = {name: slice_scores(test, name) for name in names}
    plays_in: dict[str, dict[str, int]] = {}
    for kind, value in test.slices():
        plays_in.setdefault(kind, {})[value] = test.plays_in((kind, value))
    return {
        "slices": slices,
        "listeners": by_listener(test, slices),
        "plays_in": plays_in,
        "positions": {name: accuracy_by_position(test, name) for name in names},
    }


def _scores(answers: Answers, result: SearchResult) -> dict[str, Scores]:
    test = answers.test
    scored = {
        name: (rule_scores if BASELINES[name].kind == "rule" else scores)(test, name)
        for name in answers.baselines
    }
    scored |= {family: scores(test, family) for family in result.families}
    scored[CANDIDATE] = scores(test, CANDIDATE)
    if CHAMPION in test.models and not answers.unfit:
        scored[CHAMPION] = scores(test, CHAMPION)
    return scored
