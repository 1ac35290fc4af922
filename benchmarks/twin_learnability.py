"""What models can learn from the twin, on several seeds, with sessions split whole.

Usage: `python benchmarks/twin_learnability.py [SEED ...] [--quick]`. A seed takes about half a
minute.

Each seed makes 6,000 sessions (about 100k plays). The published figures are those of models on the
real data; whoever works on the twin should reach the same, in the same order: behaviour, context,
popularity, audio. All figures are of plays with history (position 2 on) of the test sessions, but
audio alone, which is of all plays. It compares models, not speed, so there are no rounds.

Prints a table with a row for each model and a column for each seed.
"""

import tempfile
from pathlib import Path

import lightgbm as lgb
import numpy as np
import pandas as pd
from arguments import make_parser
from sklearn.metrics import accuracy_score, log_loss
from twin_inputs import QUICK_SESSIONS

from skipcast.evaluation.baselines import RECIPE, RECIPE_GROUPS
from skipcast.features.build import build_features
from skipcast.features.table import join_tracks
from skipcast.params import Split
from skipcast.schema import TRACK_INPUTS
from skipcast.split import split_sessions
from skipcast.twin.write import write_twin

SESSIONS = 6_000
LAGS = 9
FROM_RECIPE = "recipe_"
PUBLISHED = {
    "same as the last play": "0.727..0.742",
    "article's recipe": "0.72..0.74",
    "outcome history": "<= same + 0.005",
    "  its log loss": "0.574",
    "  log loss of same as last": "0.586",
    "+ context and behaviour": "0.755..0.785",
    "+ tracks": "",
    "true probabilities": "0.80..0.84",
    "audio alone": "0.53..0.56",
}


def read(folder: Path) -> pd.DataFrame:
    """Join the twin's plays with their tracks and their true probabilities."""
    plays = pd.read_csv(folder / "training_set" / "log_mini.csv")
    tracks = pd.read_csv(folder / "track_features" / "tf_mini.csv")
    plays = join_tracks(plays, tracks)
    recipe = build_features(plays, "started", RECIPE_GROUPS)[list(RECIPE)]
    plays = plays.join(recipe.add_prefix(FROM_RECIPE))
    plays["truth"] = pd.read_parquet(folder / "oracle.parquet")["probability"].to_numpy()
    for name in plays.select_dtypes(["object", "str", "bool"]).columns.difference(["session_id"]):
        plays[name] = pd.factorize(plays[name], sort=True)[0]
    return plays


def add_history(plays: pd.DataFrame) -> dict[str, list[str]]:
    """Add columns of earlier plays to `plays`; return the names of each set of columns."""
    session = plays.groupby("session_id", sort=False)
    lags = []
    for lag in range(1, LAGS + 1):
        plays[f"skip_2 {lag} before"] = session["skip_2"].shift(lag)
        lags.append(f"skip_2 {lag} before")
    ended = ["skip_1", "skip_3", "not_skipped", "hist_user_behavior_reason_end", "context_type"]
    ended += ["hist_user_behavior_reason_start", "short_pause_before_play", *TRACK_INPUTS]
    for name in ended:
        plays[f"{name} before"] = session[name].shift(1)
    plays["share skipped before"] = (session["skip_2"].cumsum() - plays["skip_2"]) / np.maximum(
        plays["session_position"] - 1, 1
    )
    started = ["context_type", "context_switch", "hist_user_behavior_reason_start", "premium"]
    started += ["no_pause_before_play", "short_pause_before_play", "long_pause_before_play"]
    started += ["hist_user_behavior_is_shuffle", "hour_of_day"]
    behaviour = [f"{name} before" for name in ended if name not in TRACK_INPUTS]
    inputs = list(TRACK_INPUTS)
    position = ["session_position"]
    return {
        "article's recipe": [FROM_RECIPE + name for name in RECIPE],
        "outcome history": [*lags, "share skipped before", *position],
        "+ context and behaviour": [
            *lags, "share skipped before", *position, *started, *behaviour
        ],
        "+ tracks": [*lags, "share skipped before", *position, *started, *behaviour, *inputs],
        "audio alone": [x for x in inputs if x not in ("us_popularity_estimate", "release_year")],
    }  # fmt: skip


def learn(plays: pd.DataFrame, part: np.ndarray, columns: list[str], **params) -> np.ndarray:
    """Fit LightGBM on the training sessions; return probabilities of the test sessions."""
    model = lgb.LGBMClassifier(verbose=-1, n_jobs=1, **params)
    train = part == "train"
    model.fit(plays.loc[train, columns], plays.loc[train, "skip_2"])
    return model.predict_proba(plays.loc[part == "test", columns])[:, 1]


def measure(seed: int, sessions: int) -> dict[str, float]:
    """Make a twin and measure what can be learned from it."""
    with tempfile.TemporaryDirectory() as folder:
        write_twin(Path(folder, "twin"), sessions=sessions, seed=seed)
        plays = read(Path(folder, "twin"))
    sets = add_history(plays)
    part = split_sessions(plays, Split(validation=0.001, test=0.3, seed=seed))
    audio = learn(plays, part, sets.pop("audio alone"), n_estimators=60, num_leaves=7)
    figures = {"audio alone": accuracy_score(plays.loc[part == "test", "skip_2"], audio > 0.5)}
    plays, part = plays[plays["session_position"] > 1], part[plays["session_position"] > 1]
    test, train = plays[part == "test"], plays[part == "train"]
    y, last = test["skip_2"], test["skip_2 1 before"]
    figures["same as the last play"] = accuracy_score(y, last)
    by_last = train.groupby("skip_2 1 before")["skip_2"].mean()
    figures["  log loss of same as last"] = log_loss(y, last.map(by_last))
    for name, columns in sets.items():
        calm = {} if name == "article's recipe" else {"learning_rate": 0.05, "num_leaves": 15}
        p = learn(plays, part, columns, **calm)
        figures[name] = accuracy_score(y, p > 0.5)
        if name == "outcome history":
            figures["  its log loss"] = log_loss(y, p)
    figures["true probabilities"] = accuracy_score(y, test["truth"] > 0.5)
    return figures


if __name__ == "__main__":
    parser = make_parser(__doc__)
    parser.add_argument("seeds", nargs="*", type=int, help="0 to 4, if left out")
    parser.add_argument("--quick", action="store_true", help="one seed of few sessions")
    options = parser.parse_args()
    sessions, seeds = SESSIONS, options.seeds or [0, 1, 2, 3, 4]
    if options.quick:
        sessions, seeds = QUICK_SESSIONS, seeds[:1]
    table = pd.DataFrame({f"seed {seed}": measure(seed, sessions) for seed in seeds})
    table.insert(0, "published", pd.Series(PUBLISHED))
    print(table.reindex(list(PUBLISHED)).round(4).to_string())
