"""What models can learn from synthetic exports, beside what they learned from real ones.

Usage: `python benchmarks/export.py [SEED ...] [--quick]`. A seed takes about a minute and a half.

Each seed makes 18 exports with 300,000 plays in all, reads them as `fetch` does, and splits them by
time. LightGBM learns from the features of sessions, and from these and the listener's history; the
history is as of each session's start, or frozen as of the end of the training sessions. It compares
models, not speed, so there are no rounds.

Prints accuracy of rules and models on the test sessions, a row each and a column for each seed.
"""

import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import lightgbm as lgb
import numpy as np
import pandas as pd
from arguments import make_parser

from skipcast.archive.streaming_history import read_history
from skipcast.arrays import Floats, Labels
from skipcast.evaluation.metrics import evaluate
from skipcast.evaluation.training import Training, predict
from skipcast.features.build import targets
from skipcast.features.listener_counts import count_listeners
from skipcast.features.table import (
    PART,
    SKIPPED,
    feature_columns,
    feature_table,
    join_tracks,
    with_label,
)
from skipcast.params import Split
from skipcast.schema import OUTCOMES, Group, Label
from skipcast.split import split_sessions
from skipcast.twin.export import write_exports

LISTENERS, PLAYS, QUICK_PLAYS = 18, 300_000, 20_000
SESSION: tuple[Group, ...] = ("context", "outcomes", "behaviour")
GROUPS: dict[str, tuple[Group, ...]] = {
    "session features": SESSION,
    "and the listener's history": (*SESSION, "listener_history"),
}
RULES = {
    "majority": "majority",
    "repeat_last": "same as the last play",
    "start_rate": "rate by reason_start",
}
PUBLISHED = {
    "brief: majority": 0.676,
    "brief: rate by reason_start": 0.785,
    "brief: same as the last play": 0.790,
    "brief: session features": 0.826,
    "brief: session features, log loss": 0.410,
    "brief: frozen": 0.830,
    "brief: frozen, log loss": 0.396,
    "brief: and the listener's history": 0.838,
    "brief: and the listener's history, log loss": 0.374,
    "any: majority": 0.556,
    "any: rate by reason_start": 0.718,
    "any: same as the last play": 0.738,
    "any: session features": 0.768,
    "any: session features, log loss": 0.479,
    "any: frozen": np.nan,
    "any: frozen, log loss": np.nan,
    "any: and the listener's history": 0.800,
    "any: and the listener's history, log loss": 0.431,
    "plays a second": np.nan,
}


def measure(seed: int, plays: int) -> dict[str, float]:
    """Make exports; return accuracies and log losses by label and model, and plays a second."""
    with tempfile.TemporaryDirectory() as folder:
        begin = time.perf_counter()
        write_exports(Path(folder, "all"), listeners=LISTENERS, plays=plays, seed=seed)
        figures = {"plays a second": plays / (time.perf_counter() - begin)}
        history = read_history(Path(folder, "all"))
    log = join_tracks(history.plays, history.tracks)
    for label in ("brief", "any"):
        figures |= {f"{label}: {k}": v for k, v in _of_label(log, label).items()}
    return figures


def _of_label(log: pd.DataFrame, label: Label) -> dict[str, float]:
    log = with_label(log, label)
    parts = split_sessions(log, Split(validation=0.15, test=0.15, seed=0))
    fresh, _ = count_listeners(log, parts == "train")
    forgotten = log.assign(**{name: log[name].mask(parts == "test") for name in OUTCOMES})
    frozen, _ = count_listeners(forgotten, parts == "train")
    figures: dict[str, Floats] = {}
    for name, groups in GROUPS.items():
        table, late = (
            feature_table(log.join(known), "started", groups, parts=parts)
            for known in (fresh, frozen)
        )
        model = _learn(table)
        figures |= {name: model(table)}
    rules = baselines(log.join(fresh), parts)
    figures |= {"frozen": model(late)} | {text: rules[name] for name, text in RULES.items()}
    truth = table.loc[table[PART] == "test", SKIPPED].to_numpy()
    scores = {name: evaluate(truth, probability) for name, probability in figures.items()}
    return {name: found["accuracy"] for name, found in scores.items()} | {
        f"{name}, log loss": found["log_loss"]
        for name, found in scores.items()
        if name not in RULES.values()
    }


def baselines(plays: pd.DataFrame, parts: Labels) -> dict[str, Floats]:
    """Return what the baselines predict for the test plays."""
    counts = targets(plays, "started")
    train, test = plays[parts == "train"], plays[parts == "test"]
    training = Training("started")
    training.see(plays)
    training.count(train, counts[parts == "train"])
    training.add_recipe(train, counts[parts == "train"])
    rows = counts[parts == "test"]
    return predict(training.learned(), test, rows, names=training.names, horizon="started")


def _learn(table: pd.DataFrame) -> Callable[[pd.DataFrame], Floats]:
    """Learn from all sessions but those of the test; return what predicts these of a table."""
    features, test = feature_columns(table), table[PART] == "test"
    model = lgb.LGBMClassifier(n_estimators=250, learning_rate=0.05, verbose=-1, n_jobs=1)
    model.fit(table.loc[~test, features], table.loc[~test, SKIPPED])
    return lambda other: np.asarray(model.predict_proba(other.loc[test, features]))[:, 1]


if __name__ == "__main__":
    parser = make_parser(__doc__)
    parser.add_argument("seeds", nargs="*", type=int, help="0 and 1, if left out")
    parser.add_argument("--quick", action="store_true", help="one seed of few plays")
    options = parser.parse_args()
    seeds = options.seeds or [0, 1]
    plays = QUICK_PLAYS if options.quick else PLAYS
    if options.quick:
        seeds = seeds[:1]
    table = pd.DataFrame({f"seed {seed}": measure(seed, plays) for seed in seeds})
    table.insert(0, "published", pd.Series(PUBLISHED))
    print(table.reindex(list(PUBLISHED)).round(4).to_string())
