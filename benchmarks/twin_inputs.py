"""What several benchmarks start from: plays of a twin, a model of them, a search on them.

All benchmarks make it here, so a change of the package's functions is followed in one place.
"""

import logging
import os
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path

import mlflow
import numpy as np
import pandas as pd
from from_tests import log

from skipcast.archive.sample import read_subset
from skipcast.arrays import Bools, Floats, Indices
from skipcast.artifacts import SearchResult
from skipcast.database.embedded import running
from skipcast.features.counts import add_counts, count_tracks
from skipcast.features.listener_counts import count_listeners
from skipcast.features.table import (
    SKIPPED,
    feature_columns,
    feature_table,
    join_tracks,
)
from skipcast.models.families import FAMILIES, Family
from skipcast.models.family import Dataset
from skipcast.params import Params, read_params
from skipcast.parts import Parts, cut, write_parts
from skipcast.processes import cpu_count
from skipcast.schema import TRACK_GROUPS
from skipcast.search.mlflow_runs import MODEL_FILE, TRIAL_FOLDER
from skipcast.search.spec import Job
from skipcast.split import split_sessions
from skipcast.twin.write import write_twin

DEFAULTS = Path(__file__).parents[1] / "params.yaml"
QUICK_SESSIONS = 300  # of the twin with `--quick`: about 5,000 plays


def make_twin(
    folder: Path, *, sessions: int = 10_000, rows: int = 10**9, seed: int = 0
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Write a twin into `folder`; return its plays and what a model knows of its tracks.

    The plays have their track features and counts; the sessions of the default split train.
    """
    write_twin(folder / "mssd", sessions=sessions, seed=seed)
    plays, tracks = read_subset(folder / "mssd", None, rows=rows, seed=seed)
    return with_counts(plays, tracks)


def with_counts(plays: pd.DataFrame, tracks: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Join plays and tracks as the stage `features` does; return both with their counts."""
    split = read_params(DEFAULTS).split
    is_train = split_sessions(plays, split) == "train"
    counts, counts_of_tracks = count_tracks(plays, is_train, seed=split.seed)
    return join_tracks(plays, tracks).join(counts), add_counts(tracks, counts_of_tracks)


def searchable_twins(
    seeds: Iterable[int], *, sessions: int, rows: int
) -> Iterator[tuple[int, str]]:
    """Make a twin after another, each ready for a search; yield its seed and Postgres' address.

    In between, the working directory is a temporary one with MLflow's store and what
    `write_features` writes of the twin.
    """
    logging.getLogger("mlflow").setLevel(logging.WARNING)
    os.environ["MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR"] = "false"
    with tempfile.TemporaryDirectory() as name, running(Path(name, "postgres")) as url:
        os.chdir(name)
        mlflow.set_tracking_uri(f"sqlite:///{name}/mlflow.db")
        for seed in seeds:
            with tempfile.TemporaryDirectory() as folder:
                twin = make_twin(Path(folder), sessions=sessions, rows=rows, seed=seed)
            write_features(Path(name), *twin)
            yield seed, url
            print(f"seed {seed} is done", flush=True)


def make_model(family: Family, plays: pd.DataFrame, tracks: pd.DataFrame) -> str:
    """Fit a model of a family on four fifths of the sessions, log it and return its URI."""
    table = feature_table(plays, "started")
    sessions = pd.factorize(table["session_id"])[0]
    is_train = sessions < 0.8 * sessions.max()
    train, validation = _dataset(table[is_train]), _dataset(table[~is_train])
    methods = FAMILIES[family]
    fitted = methods.fit(
        methods.defaults({}),
        methods.prepare(train=train, validation=validation),
        seed=0,
        threads=cpu_count(),
        on_round=lambda *_: None,
    )
    return str(log(fitted, tracks, family=family, train=train).model_uri)


def _dataset(table: pd.DataFrame) -> Dataset:
    return Dataset.of(
        table[feature_columns(table)].to_numpy(np.float32),
        table[SKIPPED].to_numpy(dtype=bool),
        pd.factorize(table["session_id"])[0],
        table["session_position"].to_numpy(np.intp),
    )


def write_features(folder: Path, plays: pd.DataFrame, tracks: pd.DataFrame) -> None:
    """Write what a search reads: the features of the plays, and the tracks."""
    parts = split_sessions(plays, read_params(DEFAULTS).split)
    table = feature_table(plays, "started", parts=parts)
    write_parts(folder / "features", cut(table), made_by="features")
    tracks.to_parquet(folder / "tracks.parquet", index=False)
    count_listeners(plays)[1].to_parquet(folder / "listeners.parquet", index=False)


def ask_test_plays(
    features: Path, result: SearchResult, params: Params
) -> tuple[Bools, Indices, dict[Family, Floats]]:
    """Have the best of each family answer the test plays.

    Returns:
        Of each play whether it was skipped, and the number of its session; and by family the
        probability of each.
    """
    table = Parts.read(features, made_by="features").whole()
    test = table[split_sessions(table, params.split) == "test"]
    matrix = test[feature_columns(test)].to_numpy(np.float32)
    answers: dict[Family, Floats] = {}
    for name, best in result.families.items():
        path = mlflow.artifacts.download_artifacts(
            run_id=best.run_id, artifact_path=f"{TRIAL_FOLDER}/{MODEL_FILE}"
        )
        model = FAMILIES[name].load(Path(path), threads=1)
        answers[name] = FAMILIES[name].predict(model, matrix)
    return test[SKIPPED].to_numpy(dtype=bool), pd.factorize(test["session_id"])[0], answers


def make_job(folder: Path, params: Params, name: str) -> Job:
    """Return the search of what `write_features` wrote; each name has studies of its own."""
    files = (folder / name for name in ("features", "tracks.parquet", "listeners.parquet"))
    features, tracks, listeners = files
    return Job(
        params,
        features,
        TRACK_GROUPS,
        tracks,
        listeners,
        data=name,
        tags={"data.synthetic": "True"},
        fingerprint=name.ljust(16),  # the studies are called after its first 16 characters
    )
