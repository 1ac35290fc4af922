"""Carries out a judgement: registers a version, writes the ledger, moves the alias, reports."""

import pandas as pd
from matplotlib.figure import Figure

from skipcast.artifacts import REPORTS, Champion, Decision, LoadReceipt, SearchResult
from skipcast.commits import git_commit
from skipcast.evaluation import plots
from skipcast.evaluation.bootstrap import Interval
from skipcast.files import unfinished
from skipcast.folders import move_into
from skipcast.mlflow_store.datasets import dataset
from skipcast.params import Params
from skipcast.promotion import reports
from skipcast.promotion.card import About, card
from skipcast.promotion.judge import Judgement
from skipcast.promotion.ledger import Entry, ModelScores
from skipcast.promotion.registry import Registry


def conclude(
    judgement: Judgement,
    registry: Registry,
    params: Params,
    tracks: pd.DataFrame,
    *,
    result: SearchResult,
    receipt: LoadReceipt,
) -> Entry:
    """Register the candidate, record the decision, move the alias if need be; write the reports.

    Args:
        judgement: on the candidate, of `result`.
        registry: of the model.
        params: all of them.
        tracks: columns `schema.TRACK`.
        result: of the search.
        receipt: what the stage `load` wrote.

    Raises:
        SkipcastError: the registry does not answer, or another changed the champion meanwhile.
    """
    entry = _register(judgement, registry, result, receipt)
    about = _about(entry, registry, result, receipt)
    drawings = reports.draw(judgement, tracks, params, synthetic=receipt.synthetic)
    # Single plays of real listeners stay on this machine.
    private = {} if receipt.synthetic else _take(drawings, reports.SESSION)
    with unfinished(REPORTS) as folder:
        reports.write(folder, drawings, judgement, card=card(judgement, params, about))
        registry.attach(result.candidate.model_uri, folder / "model_card.md")
        scores = _model_scores(judgement, registry, params, result, receipt)
        entry = registry.carry_out(entry, folder, scores)
        for name, figure in private.items():
            plots.save(figure, folder / "figures" / name)
        move_into(folder, REPORTS)  # last: where the registry fails, those of before stay
    reports.promotion(judgement, entry, _champion(entry, registry)).write()
    reports.metrics(judgement, result).write()
    return entry


def _take(drawings: dict[str, Figure], name: str) -> dict[str, Figure]:
    return {name: drawings.pop(name)} if name in drawings else {}


def _register(
    judgement: Judgement, registry: Registry, result: SearchResult, receipt: LoadReceipt
) -> Entry:
    """Register the candidate; return the entry for the ledger."""
    best = result.candidate
    version = registry.register(best.model_uri, judgement.family)
    return entry_of(judgement, version, data=receipt.tables["training_set"].hash)


def _model_scores(
    judgement: Judgement,
    registry: Registry,
    params: Params,
    result: SearchResult,
    receipt: LoadReceipt,
) -> ModelScores:
    """Return the scores of the champion before, of each family's best and of the baselines."""
    values = {
        name: {score: interval.value for score, interval in scores.items()}
        for name, scores in judgement.scores.items()
    }
    models: dict[str, dict[str, float]] = {}
    if "champion" in values and judgement.rival is not None:
        model_id = registry.logged_model(judgement.rival)
        models |= {model_id: values["champion"]} if model_id else {}
    scored = {family: values[family] for family in result.families if family != result.best}
    scored[result.best] = values["candidate"]  # the last one's are the run's own, too
    for family, scores in scored.items():
        models[result.families[family].model_uri.removeprefix("models:/")] = scores
    data = receipt.tables["training_set"].hash
    others = {name: values[name] for name in judgement.answers.baselines}
    return ModelScores(dataset("test", data, params.split), models, others)


def _about(entry: Entry, registry: Registry, result: SearchResult, receipt: LoadReceipt) -> About:
    settings = registry.settings(result.candidate.run_id)
    return About(entry.version, entry.decision, receipt, result, settings, git_commit())


def entry_of(judgement: Judgement, version: int, *, data: str | None = None) -> Entry:
    """Put a judgement into words, as an entry of the ledger."""
    decision: Decision = "promoted" if judgement.verdict.passed else "refused"
    reason = judgement.verdict.reason
    if judgement.answers.unfit:
        reason += (
            f"; version {judgement.champion}, champion until now, could not be scored and stays "
            f"registered: {judgement.answers.unfit}"
        )
    if judgement.kept:
        decision, reason = "kept", "it is the champion already"
        if judgement.champion != version and version:
            reason += f", refreshed as version {judgement.champion}"
    rival = None if judgement.kept else judgement.scores.get("champion")
    return Entry(
        decision,
        version,
        judgement.champion,
        reason,
        data=data,
        scores=_with_intervals(judgement.scores["candidate"]),
        champion_scores=_with_intervals(rival) if rival else None,
        skip=judgement.skip,
    )


def _with_intervals(scores: dict[str, Interval]) -> dict[str, list[float]]:
    return {name: [i.value, i.low, i.high] for name, i in scores.items()}


def _champion(entry: Entry, registry: Registry) -> Champion:
    """Return the champion after a decision."""
    version = entry.version if entry.decision == "promoted" else entry.champion
    family = registry.family(version) if version is not None else None
    return Champion(family=family, version=version)
