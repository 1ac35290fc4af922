"""The search's models on test plays with a history: run it after `dvc repro`.

Beside them stands the rule "same as the last play", its log loss calibrated on the training plays.
"""

import json
from pathlib import Path

import mlflow
import numpy as np
import pandas as pd

from skipcast.evaluation.metrics import evaluate
from skipcast.evaluation.split import split_sessions
from skipcast.features.table import join_tracks
from skipcast.params import read_params
from skipcast.schema import TARGET


def main() -> None:
    """Print accuracy and log loss of each family and of the rule."""
    plays, tracks = (pd.read_parquet(f"data/{name}.parquet") for name in ("plays", "tracks"))
    plays = join_tracks(plays, tracks)
    parts = split_sessions(plays["session_id"], read_params().split)
    last = plays.groupby("session_id")[TARGET].shift().astype("boolean")
    history = last.notna().to_numpy()
    train = plays[TARGET][(parts == "train") & history].groupby(last).mean()
    test = plays[parts == "test"].reset_index(drop=True)
    counts = history[parts == "test"]
    truth = test.loc[counts, TARGET].to_numpy()
    rule = np.where(last[parts == "test"][counts], train[True], train[False])
    _print("same as the last play", truth, rule)
    for family, best in json.loads(Path("data/search.json").read_text())["families"].items():
        answer = mlflow.pyfunc.load_model(best["model_uri"]).predict(test)
        _print(family, truth, answer["skip_probability"].to_numpy()[counts])


def _print(name: str, truth: np.ndarray, probability: np.ndarray) -> None:
    scores = evaluate(truth, probability)
    print(f"{name:24} accuracy {scores['accuracy']:.4f}  log loss {scores['log_loss']:.4f}")


if __name__ == "__main__":
    main()
