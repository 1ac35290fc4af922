"""What a promotion leaves in `reports/`: figures, curves and numbers."""

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from skipcast.artifacts import (
    Candidate,
    Champion,
    Metrics,
    Promotion,
    Role,
    SearchResult,
    ValidationScores,
)
from skipcast.evaluation import plots
from skipcast.evaluation.baselines import BASELINES
from skipcast.evaluation.bootstrap import Interval
from skipcast.evaluation.explain import Explained
from skipcast.evaluation.held_out import CANDIDATE
from skipcast.evaluation.scores import Scores
from skipcast.files import write_json
from skipcast.models.families import FAMILIES
from skipcast.params import Params
from skipcast.promotion import figures
from skipcast.promotion.judge import Judgement
from skipcast.promotion.ledger import Entry
from skipcast.schema import HORIZONS, TRACK_INPUTS

SESSION = "session.png"  # the one figure that shows single plays
LISTENERS = "curves/listeners.csv"  # how well each listener is predicted
ROC_POINTS = 201
TABLE = "last_outcome"  # the baseline beside the families' curves
BY_POSITION = ("recipe", "repeat_last", "majority")  # the baselines beside the candidate
ROLES: tuple[Role, ...] = ("candidate", "champion")


def draw(
    judgement: Judgement, tracks: pd.DataFrame, params: Params, *, synthetic: bool
) -> dict[str, Figure]:
    """Draw all figures that the data have something for; return them by file name.

    Args:
        judgement: on the candidate.
        tracks: columns `schema.TRACK`; those of listeners' own histories have no features.
        params: section promote has the songs to mark.
        synthetic: whether the titles say that the data are the twin's.
    """
    answers, label = judgement.answers, {"synthetic": synthetic}
    grids = {name: sums.grid for name, sums in answers.test.models.items()}
    curves = {family.label: grids[name] for name, family in FAMILIES.items() if name in grids}
    table = {BASELINES[TABLE].label: grids[TABLE]}
    own = answers.explained[judgement.family]
    booster = next((e for f, e in answers.explained.items() if FAMILIES[f].boosted), own)
    name = FAMILIES[judgement.family].label
    lines = {f"candidate: {name}": judgement.positions["candidate"]}
    lines |= {BASELINES[n].label: judgement.positions[n] for n in BY_POSITION}
    of_tracks = {}
    if tracks[list(TRACK_INPUTS)].notna().any(axis=None):  # nobody has these for a history
        of_tracks = {
            SESSION: figures.session(answers.session, "loudness", **label),
            "distributions.png": figures.distributions(tracks, params.promote.songs, **label),
            "acoustic_correlation.png": figures.correlation(tracks, **label),
        }
    drawn = of_tracks | {
        "roc.png": plots.roc(curves | table, **label),
        "importance.png": plots.importance(own.names, own.importance, family=name, **label),
        "reliability.png": plots.reliability(curves, **label),
        "accuracy_by_position.png": figures.by_position(
            lines, half=HORIZONS[params.features.horizon].divides_sessions, **label
        ),
        "confusion.png": figures.confusion(grids[CANDIDATE], family=name, **label),
        "contributions.png": _contributions(booster, synthetic=synthetic),
    }
    for figure in drawn.values():
        plots.note(figure, f"features.skip: {judgement.skip}")
    return drawn


def _contributions(model: Explained, *, synthetic: bool) -> Figure:
    return figures.contributions(
        model.names,
        model.values,
        model.contributions,
        family=FAMILIES[model.family].label,
        synthetic=synthetic,
    )


def curves(judgement: Judgement) -> dict[str, pd.DataFrame]:
    """Return what DVC draws and compares between commits, by name."""
    grid = judgement.answers.test.models[CANDIDATE].grid
    false_positives, recall = grid.roc
    at = np.linspace(0, 1, ROC_POINTS)
    predicted, skipped_share, plays = grid.calibration
    positions = judgement.positions["candidate"]
    return {
        "roc": pd.DataFrame(
            {"false_positive_rate": at, "recall": np.interp(at, false_positives, recall)}
        ),
        "reliability": pd.DataFrame(
            {"predicted": predicted, "skipped": skipped_share, "plays": plays.astype(int)}
        ),
        "accuracy_by_position": pd.DataFrame(
            {"position": list(positions), "accuracy": [i.value for i in positions.values()]}
        ),
    }


def promotion(judgement: Judgement, entry: Entry, champion: Champion) -> Promotion:
    """Return what `promotion.json` holds.

    Args:
        judgement: on the candidate.
        entry: the decision.
        champion: after the decision.
    """
    candidate = Candidate(family=judgement.family, version=entry.version)
    return Promotion(
        candidate=candidate, skip=judgement.skip, decision=entry.decision, champion=champion
    )


def metrics(judgement: Judgement, result: SearchResult) -> Metrics:
    """Return what `metrics/` holds.

    Args:
        judgement: on the candidate.
        result: of the search.
    """
    scores = judgement.scores
    rivals: dict[Role, Scores] = {role: scores[role] for role in ROLES if role in scores}
    return Metrics(
        validation={
            family: ValidationScores(accuracy=best.accuracy, log_loss=best.log_loss)
            for family, best in result.families.items()
        },
        test={
            name: _values(scores[name])
            for name in (*rivals, *judgement.answers.baselines, *result.families)
        },
        test_low={role: {n: i.low for n, i in own.items()} for role, own in rivals.items()},
        test_high={role: {n: i.high for n, i in own.items()} for role, own in rivals.items()},
    )


def _values(scores: Scores) -> dict[str, float]:
    return {name: interval.value for name, interval in scores.items()}


def evaluation(judgement: Judgement) -> dict[str, object]:
    """Return all scores with intervals, in slices, too, and the difference to the champion."""
    comparison = judgement.comparison
    return {
        "skip": judgement.skip,
        "plays": judgement.answers.test.plays,
        "sessions": judgement.answers.test.sessions,
        "scores": {name: _intervals(scores) for name, scores in judgement.scores.items()},
        "slices": {
            name: {
                kind: {value: _intervals(scores) for value, scores in values.items()}
                for kind, values in slices.items()
            }
            for name, slices in judgement.slices.items()
        },
        "listeners": {id_: asdict(scores) for id_, scores in judgement.listeners.items()},
        "difference": None
        if comparison is None
        else {
            "plays": comparison.plays,
            "accuracy": asdict(comparison.accuracy),
            "log_loss": asdict(comparison.log_loss),
            **{n: asdict(v) for n in ("maa", "fpa") if (v := getattr(comparison, n)) is not None},
            "slices": {
                name: {"plays": plays, "accuracy": asdict(interval)}
                for name, (plays, interval) in comparison.slices.items()
            },
        },
    }


def _intervals(scores: Mapping[str, Interval]) -> dict[str, dict[str, float]]:
    return {name: asdict(interval) for name, interval in scores.items()}


def listeners(judgement: Judgement) -> pd.DataFrame:
    """Return a row for each listener; of each score its value and the ends of its interval."""
    rows = []
    for id_, scores in judgement.listeners.items():
        row: dict[str, object] = {"listener": id_}
        for name, value in asdict(scores).items():
            if isinstance(value, dict):
                row |= {name: value["value"]} | {f"{name}_{e}": value[e] for e in ("low", "high")}
            else:
                row[name] = value
        rows.append(row)
    return pd.DataFrame(rows)


def write(folder: Path, by_name: Mapping[str, Figure], judgement: Judgement, *, card: str) -> None:
    """Write the reports into `folder`."""
    for name, figure in by_name.items():
        plots.save(figure, folder / "figures" / name)
    (folder / "curves").mkdir()
    for name, table in curves(judgement).items():
        table.to_csv(folder / "curves" / f"{name}.csv", index=False)
    if judgement.listeners:
        listeners(judgement).to_csv(folder / LISTENERS, index=False)
    write_json(folder / "evaluation.json", evaluation(judgement))
    (folder / "model_card.md").write_text(card, encoding="utf-8")
