"""The search's models on test plays with a history, beside the rule "same as the last play".

Usage: `python benchmarks/history.py`, after `dvc repro`. It takes about half a minute.

The log loss of the rule is that of the share of skips among the training plays after a skip, or
after none. It compares models, not speed, so there are no rounds.

Prints accuracy and log loss of the rule and of the best model of each family.
"""

import mlflow
import numpy as np
import pandas as pd
from arguments import make_parser

from skipcast.artifacts import PLAYS, TRACKS, SearchResult
from skipcast.evaluation.metrics import evaluate
from skipcast.features.table import join_tracks
from skipcast.params import read_params
from skipcast.parts import Parts
from skipcast.schema import TARGET
from skipcast.split import split_sessions


def main() -> None:
    """Print accuracy and log loss of each family and of the rule."""
    make_parser(__doc__).parse_args()
    plays = join_tracks(Parts.read(PLAYS, made_by="fetch").whole(), pd.read_parquet(TRACKS))
    parts = split_sessions(plays, read_params().split)
    last = plays.groupby("session_id")[TARGET].shift().astype("boolean")
    history = last.notna().to_numpy()
    train = plays[TARGET][(parts == "train") & history].groupby(last).mean()
    test = plays[parts == "test"].reset_index(drop=True)
    counts = history[parts == "test"]
    truth = test.loc[counts, TARGET].to_numpy()
    rule = np.where(last[parts == "test"][counts], train[True], train[False])
    _print("same as the last play", truth, rule)
    for family, best in SearchResult.read().families.items():
        answer = mlflow.pyfunc.load_model(best.model_uri).predict(test)
        _print(family, truth, answer["skip_probability"].to_numpy()[counts])


def _print(name: str, truth: np.ndarray, probability: np.ndarray) -> None:
    scores = evaluate(truth, probability)
    print(f"{name:24} accuracy {scores['accuracy']:.4f}  log loss {scores['log_loss']:.4f}")


if __name__ == "__main__":
    main()
