"""What tests share: a small twin, hand-written sessions of three plays, logged models.

Session fixtures are made once in each process of pytest-xdist: every process has a Postgres server
and an MLflow store of its own.
"""

import gc
import os
import shutil
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

# Small models do not gain from threads, and processes that share the cores lose much by them. Sums
# depend on their number, too: here and in the processes that tests start it must be the same.
os.environ |= {"OMP_NUM_THREADS": "1", "LOKY_MAX_CPU_COUNT": "1"}
# Where it is set, each of many processes compiles MLflow anew, which takes longer than most tests.
os.environ |= {"PYTHONDONTWRITEBYTECODE": ""}

import numpy as np
import pandas as pd
import pytest
from harness.models import ModelMaker
from harness.servers import postgres_server
from playwright.sync_api import Browser, sync_playwright

from skipcast.archive.sample import read_subset
from skipcast.cli.main import OBJECTS
from skipcast.features.counts import add_counts, count_tracks
from skipcast.features.listener_counts import count_listeners
from skipcast.features.table import feature_table, join_tracks
from skipcast.files import write_parquet
from skipcast.params import Split
from skipcast.parts import write_parts
from skipcast.schema import (
    COUNTS,
    LOG,
    OUTCOMES,
    PRIOR,
    TRACK_INPUTS,
    TRACK_KNOWN,
    names,
)
from skipcast.split import split_sessions
from skipcast.twin.write import write_twin

if TYPE_CHECKING:
    from skipcast.artifacts import SearchResult
    from skipcast.search.spec import Job


gc.set_threshold(OBJECTS)  # as a command has it
SYSTEM = Path(__file__).parent / "system"
SERVERS = {"postgres", "champions", "browser"}  # fixtures that start servers or lead to it


def pytest_make_parametrize_id(val: object, argname: str) -> str | None:
    """Name no test by bytes: packed ones hold the time, and each process must collect the same."""
    return argname if isinstance(val, bytes) else None


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what starts servers or clones; begin with it and with large files, to end evenly."""
    for item in items:
        fixtures = SERVERS.intersection(getattr(item, "fixturenames", ()))
        if fixtures or item.path.is_relative_to(SYSTEM):
            item.add_marker("system")
    items.sort(
        key=lambda item: (item.get_closest_marker("system") is None, -item.path.stat().st_size)
    )


@pytest.fixture(autouse=True)
def _unchanged_process() -> Iterator[None]:
    """Undo what a test changes of its process, so that no order of tests matters."""
    variables, folder, imported_from = dict(os.environ), Path.cwd(), [*sys.path]
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    yield
    for name in os.environ.keys() - variables:
        del os.environ[name]
    os.environ |= variables
    os.chdir(folder)
    sys.path[:] = imported_from
    for number, handler in handlers.items():
        signal.signal(number, handler)


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
def track_table(plays_and_tracks: tuple[pd.DataFrame, pd.DataFrame]) -> pd.DataFrame:
    """Return what a model knows of the tracks of `twin`; do not change it."""
    plays, tracks = plays_and_tracks
    # Each play counts as the one before ended: its own outcome would give away the answer.
    others = plays.assign(**{name: np.roll(plays[name], 1) for name in OUTCOMES})
    return add_counts(tracks, count_tracks(others, np.ones(len(plays), bool), seed=0)[1])


@pytest.fixture(scope="session")
def plays(
    plays_and_tracks: tuple[pd.DataFrame, pd.DataFrame], track_table: pd.DataFrame
) -> pd.DataFrame:
    """Return all plays of `twin` with what a model knows of them, sorted; do not change them."""
    return join_tracks(plays_and_tracks[0], track_table)[[*names(LOG), *TRACK_KNOWN]]


@pytest.fixture(scope="session")
def raw_plays(plays: pd.DataFrame) -> pd.DataFrame:
    """Return `plays` as the database holds them, without counts; do not change them."""
    return plays.drop(columns=names((*COUNTS, *PRIOR)))


@pytest.fixture(scope="session")
def feature_files(
    plays: pd.DataFrame, track_table: pd.DataFrame, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, Path, Path]:
    """Return the paths of features, tracks and listeners as the stage `features` writes them."""
    folder = tmp_path_factory.mktemp("data")
    parts = split_sessions(plays, Split(validation=0.15, test=0.15, seed=0))
    table = feature_table(plays, "started", parts=parts)
    write_parts(folder / "features", [table], made_by="features")
    write_parquet(folder / "tracks.parquet", track_table)
    write_parquet(folder / "listeners.parquet", count_listeners(plays)[1])
    return folder / "features", folder / "tracks.parquet", folder / "listeners.parquet"


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    """Yield the URL of a server for these tests alone."""
    with postgres_server() as url:
        yield url


@pytest.fixture
def three_plays() -> pd.DataFrame:
    """Return one session of three plays: skipped, listened to, skipped."""
    track = {name: [0.1, 0.2, 0.3] for name in TRACK_INPUTS}
    counts = dict(zip(names((*COUNTS, *PRIOR)), (8, 4, 16, 2.0, 1.0, 4.0), strict=True))
    return pd.DataFrame(
        {
            **track,
            **counts,
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
            "listener_id": None,
            "artist_id": None,
            "started_at": None,
        }
    )[[*names(LOG), *TRACK_KNOWN]]


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
def logged_model(plays: pd.DataFrame, track_table: pd.DataFrame, tracking: str) -> ModelMaker:
    """Return what fits and logs a model of any family and horizon, each once."""
    assert tracking
    return ModelMaker(plays, track_table, {})


@pytest.fixture(scope="session")
def make_job(feature_files: tuple[Path, Path, Path], tracking: str) -> "Callable[..., Job]":
    """Return a function that makes a small job by its experiment and changes to `search`."""
    from harness.searches import make_small_job  # here, as above

    assert tracking
    return lambda name, **changes: make_small_job(name, feature_files, **changes)


@pytest.fixture(scope="session")
def searched(make_job: "Callable[..., Job]", postgres: str) -> "SearchResult":
    """Return the result of a small search in the experiment `searched`; add no run to it."""
    from skipcast.search.trials import search

    return search(make_job("searched"), postgres)


@pytest.fixture(scope="session")
def champions(logged_model: ModelMaker) -> Callable[[int], None]:
    """Register versions 1 and 2 of `skipcast`, which answer differently; return what crowns one."""
    import mlflow  # here: most tests need neither it nor the seconds that it takes

    for opposite in (False, True):
        mlflow.register_model(logged_model(opposite=opposite).uri, "skipcast")

    def crown(version: int) -> None:
        mlflow.MlflowClient().set_registered_model_alias("skipcast", "champion", str(version))

    return crown


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Yield a headless Chromium, the machine's own; skip where there is none.

    Playwright can also download a browser of its own; a test must not depend on that network.
    """
    names = ("chromium", "chromium-browser", "google-chrome")
    executable = next(filter(None, map(shutil.which, names)), None)
    if executable is None:
        pytest.skip("There is no chromium: install it, e.g. `apt-get install chromium`.")
    quiet = ["--disable-gpu", "--disable-quic", "--disable-sync"]
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=executable, args=quiet)
        yield launched
        launched.close()
