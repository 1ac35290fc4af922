"""What several benchmarks start from: plays of a twin, a model of them, a search on them.

All benchmarks make it here, so a change of the package's functions is followed in one place.
"""

import os
from pathlib import Path

import mlflow
import pandas as pd

from skipcast.archive.sample import read_subset
from skipcast.features.build import ALL, KEY_COLUMNS, build_features
from skipcast.models.families import FAMILIES, Family
from skipcast.models.family import Part
from skipcast.params import Features, Params
from skipcast.schema import LOG, TARGET, TRACK, names
from skipcast.search.spec import Job
from skipcast.serving.packaging import log_model
from skipcast.twin.write import write_twin

QUICK_SESSIONS = 300  # of the twin with `--quick`: about 5,000 plays


def join_tracks(plays: pd.DataFrame, tracks: pd.DataFrame) -> pd.DataFrame:
    """Return plays with the features of their tracks, in the order of the plays."""
    joined = plays.merge(tracks, left_on="track_id_clean", right_on="track_id", how="left")
    return joined[names(LOG + TRACK[1:])]


def make_twin(
    folder: Path, *, sessions: int = 10_000, rows: int = 10**9, seed: int = 0
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Write a twin into `folder`; return its plays with their track features, and its tracks."""
    write_twin(folder / "mssd", sessions=sessions, seed=seed)
    plays, tracks = read_subset(folder / "mssd", None, rows=rows, seed=seed)
    return join_tracks(plays, tracks), tracks


def make_model(family: Family, plays: pd.DataFrame, tracks: pd.DataFrame) -> str:
    """Fit a model of a family on four fifths of the plays, log it and return its URI."""
    features, skipped = build_features(plays, "started").to_numpy(), plays[TARGET].to_numpy()
    cut = len(plays) * 4 // 5
    train, validation = Part(features[:cut], skipped[:cut]), Part(features[cut:], skipped[cut:])
    methods = FAMILIES[family]
    data = methods.prepare(train, validation)
    fitted = methods.fit(methods.defaults({}), data, 0, os.cpu_count() or 1, lambda *_: None)
    with mlflow.start_run():
        params = Features(horizon="started", groups=ALL)
        info = log_model(fitted, tracks, family=family, features=params, train=train)
    return str(info.model_uri)


def write_features(folder: Path, plays: pd.DataFrame, tracks: pd.DataFrame) -> None:
    """Write what a search reads: the features of the plays, and the tracks."""
    table = plays[list(KEY_COLUMNS)].assign(skipped=plays[TARGET])
    table = table.join(build_features(plays, "started"))
    table.to_parquet(folder / "features.parquet", index=False)
    tracks.to_parquet(folder / "tracks.parquet", index=False)


def make_job(folder: Path, params: Params, name: str) -> Job:
    """Return the search of what `write_features` wrote; each name has studies of its own."""
    features, tracks = folder / "features.parquet", folder / "tracks.parquet"
    fingerprint = name.ljust(16)  # the studies are called after its first 16 characters
    return Job(params, features, tracks, name, {"data.synthetic": "True"}, fingerprint)
