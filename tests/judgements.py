"""A promotion's judgement, written by hand: two sessions, two features, made-up scores."""

import numpy as np
import pandas as pd

from skipcast.artifacts import BestOfFamily, LoadReceipt, SearchResult, TableFingerprint
from skipcast.evaluation.baselines import BASELINES
from skipcast.evaluation.bootstrap import Interval
from skipcast.evaluation.explain import Explained
from skipcast.evaluation.held_out import JudgedPlays, tally
from skipcast.evaluation.slices import ALL, Coded
from skipcast.promotion.answers import Answers
from skipcast.promotion.gate import Verdict
from skipcast.promotion.judge import Judgement
from skipcast.promotion.listeners import ListenerScores
from skipcast.schema import Label

SCORE = Interval(0.75, 0.7, 0.8)
SCORES = dict.fromkeys(("accuracy", "log_loss", "brier", "auc", "calibration_error"), SCORE)
LISTENER = ListenerScores(
    plays=4, sessions=2, skip_rate=Interval(0.5, 0.4, 0.6), accuracy=SCORE, log_loss=SCORE,
    best_rule="track_last", rule_accuracy=Interval(0.7, 0.6, 0.8),
)  # fmt: skip
PROBABILITY = np.array([0.1, 0.9, 0.8, 0.4])
PLAYS = JudgedPlays(
    skipped=np.array([False, True, True, False]),
    sessions=np.array([0, 0, 1, 1]),
    keys=np.array([1, 2], np.uint64),
    slices={ALL[0]: Coded(ALL[1:], np.zeros(4, np.intp))},
    challenge=False,
)
RESULT = SearchResult(
    run_id="parent",
    families={
        "lightgbm": BestOfFamily(run_id="run", accuracy=0.75, log_loss=0.5, model_uri="models:/m")
    },
    best="lightgbm",
)
RECEIPT = LoadReceipt(
    into="postgres",
    database="embedded",
    schema="skipcast",
    synthetic=True,
    listeners=False,
    tables={"training_set": TableFingerprint(rows=4, hash="-7")},
)


WITHOUT_LISTENERS = [name for name in BASELINES if name != "track_last"]
WHO = "5f2c09ab41de"


def judgement(
    champion: int | None = None, *, listeners: bool = False, skip: Label = "brief"
) -> Judgement:
    """Return a candidate that passes.

    Args:
        skip: what counts as a skip.
        champion: the version of the one beside it, if there is one.
        listeners: whether the plays name the listener `WHO`.
    """
    found = list(BASELINES) if listeners else WITHOUT_LISTENERS
    scores = {
        name: {"accuracy": SCORE} if BASELINES[name].kind == "rule" else SCORES for name in found
    }
    scores |= {"lightgbm": SCORES, "candidate": SCORES}
    if champion is not None:
        scores["champion"] = SCORES
    return Judgement(
        family="lightgbm",
        skip=skip,
        champion=champion,
        kept=False,
        rival=champion,
        answers=Answers(
            test=tally(
                PLAYS, dict.fromkeys((*found, "lightgbm", "candidate"), PROBABILITY), samples=9
            ),
            unfit=None,
            baselines=found,
            session=pd.DataFrame({"session_id": ["s-1", "s-1"]}),
            explained={
                "lightgbm": Explained(
                    "lightgbm",
                    ("loud", "fast"),
                    np.zeros((4, 2), np.float32),
                    np.tile([0.25, -0.5], (4, 1)),
                )
            },
        ),
        scores=scores,
        slices={n: {"position": {"1": SCORES}} for n in (*found, "candidate")},
        plays_in={"position": {"1": 2}},
        listeners={WHO: LISTENER} if listeners else {},
        positions={n: {1: SCORE, 2: SCORE} for n in (*found, "candidate")},
        comparison=None,
        verdict=Verdict(True, ("there is no champion to compare with",)),
    )
