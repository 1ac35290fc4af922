"""The twin: synthetic sessions in the official layout, with none of its rows.

`listeners.py` says how its listeners listen, `catalogue.py` to which tracks, and `sessions.py`
makes rows of the log from both. This module writes them in chunks as the official files, with the
true probabilities beside them. Each chunk has its own generator, spawned from the seed. So the same
seed gives the same bytes, and memory does not grow with the number of sessions.
"""

import datetime
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
from pyarrow import csv, parquet

from skipcast.arrays import Bools
from skipcast.errors import SkipcastError
from skipcast.files import replacing
from skipcast.schema import TRACK
from skipcast.twin.catalogue import (
    CATALOGUE,
    HEAD,
    Catalogue,
    make_catalogue,
    track_table,
)
from skipcast.twin.listeners import read_habits
from skipcast.twin.sessions import (
    ORACLE_SCHEMA,
    World,
    log_schema,
    make_sessions,
    session_ids,
)

CHUNK = 10_000  # sessions made at a time; they bound the memory
TRACK_CHUNK = 100_000
FIRST_DAY = datetime.date(2018, 7, 15)
PART_DAYS, PARTS_A_DAY = 3, 10  # of files with `parts`; the full set has 66 days of 10 files

ORACLE = "oracle.parquet"


def write_twin(
    folder: Path,
    *,
    sessions: int,
    seed: int,
    parts: bool = False,
    file_sessions: int | None = None,
) -> None:
    """Write synthetic sessions and their tracks to `folder` in the official layout.

    Beside them, `oracle.parquet` holds what no data set has: the probability of `skip_2` of each
    play given everything that is known when it starts and the hidden state of its listener. The
    same arguments give the same bytes.

    Args:
        folder: new or empty.
        sessions: how many to write, 1 or more; memory does not grow with them.
        seed: any whole number from 0 on.
        parts: name the files as the full set's, over several days, and not as the mini set's.
        file_sessions: most sessions of a file of the mini set's day, a multiple of `CHUNK`: the
            same plays in more files, for several processes to read. None: one file.

    Raises:
        SkipcastError: `sessions` is not positive, `folder` is not empty, or writing failed, as on a
            full disk. Then there is nothing at `folder`.
    """
    if sessions <= 0:
        raise SkipcastError(
            f"The number of sessions must be positive but got {sessions}. Ask for 1 or more."
        )
    if folder.exists() and not (folder.is_dir() and not any(folder.iterdir())):
        raise SkipcastError(
            f"The folder of the twin must be new or empty but got {folder}, which holds something. "
            "Name another one, or remove it."
        )
    try:
        with replacing(folder) as temporary:
            logs = _files(sessions, parts=parts, file_sessions=file_sessions or sessions)
            _write_all(temporary, logs, seed=seed, parts=parts)
    except OSError as error:
        raise SkipcastError(
            f"The twin must be written whole but got `{error}` for {folder}, so nothing was kept. "
            "Free some space (about 2 MB per 1,000 sessions) or name a folder elsewhere."
        ) from error


Log = tuple[str, datetime.date, range]
"""The name, the day and the session numbers of a log."""


def _write_all(folder: Path, logs: Iterator[Log], *, seed: int, parts: bool) -> None:
    for_catalogue, for_tracks, for_sessions = np.random.SeedSequence(seed).spawn(3)
    catalogue = make_catalogue(np.random.default_rng(for_catalogue))
    world = World(catalogue, read_habits(), np.zeros(CATALOGUE, dtype=bool))
    (folder / "training_set").mkdir(parents=True)
    with parquet.ParquetWriter(folder / ORACLE, ORACLE_SCHEMA) as oracle:
        for name, day, numbers in logs:
            with csv_writer(folder / "training_set" / name, log_schema()) as writer:
                for first in range(numbers.start, numbers.stop, CHUNK):
                    n = min(CHUNK, numbers.stop - first)
                    rng = np.random.default_rng(for_sessions.spawn(1)[0])
                    ids = session_ids(seed, first, n)
                    log, probabilities = make_sessions(ids, day, world, rng)
                    writer.write_table(log)
                    oracle.write_table(probabilities)
    tracks = _track_files(folder / "track_features", world.is_played, parts=parts)
    _write_tracks(tracks, catalogue, for_tracks)


def _files(sessions: int, *, parts: bool, file_sessions: int) -> Iterator[Log]:
    """Yield the log files; none is empty."""
    if not parts:
        for first in range(0, sessions, file_sessions):
            number = f"_{first // file_sessions:04}" if sessions > file_sessions else ""
            numbers = range(first, min(first + file_sessions, sessions))
            yield f"log_mini{number}.csv", FIRST_DAY, numbers
        return
    n_files = PART_DAYS * PARTS_A_DAY
    bounds = [i * sessions // n_files for i in range(n_files + 1)]
    for i in range(n_files):
        day = FIRST_DAY + datetime.timedelta(days=i // PARTS_A_DAY)
        if bounds[i] < bounds[i + 1]:
            name = f"log_{i % PARTS_A_DAY}_{day:%Y%m%d}_000000000000.csv"
            yield name, day, range(bounds[i], bounds[i + 1])


@contextmanager
def csv_writer(path: Path, schema: pa.Schema) -> Iterator[csv.CSVWriter]:
    """Open `path` as CSV without quotes, as the official files are, and write its header."""
    options = csv.WriteOptions(quoting_style="none", include_header=False)
    with ExitStack() as stack:
        file = stack.enter_context(path.open("wb"))
        file.write((",".join(schema.names) + "\n").encode())
        yield stack.enter_context(csv.CSVWriter(file, schema, write_options=options))


def _track_files(folder: Path, is_played: Bools, *, parts: bool) -> dict[Path, Bools]:
    """Return the track tables to write, one file or two, and which tracks are in each."""
    if not parts:
        return {folder / "tf_mini.csv": is_played}
    first_half = np.arange(len(is_played)) < np.flatnonzero(is_played)[is_played.sum() // 2]
    return {
        folder / "tf_000000000000.csv": is_played & first_half,
        folder / "tf_000000000001.csv": is_played & ~first_half,
    }


def _write_tracks(
    files: dict[Path, Bools], catalogue: Catalogue, seeds: np.random.SeedSequence
) -> None:
    types = {"text": pa.string(), "bigint": pa.int64(), "double precision": pa.float32()}
    schema = pa.schema([(column.name, types[column.type]) for column in TRACK])
    for path, mask in files.items():
        path.parent.mkdir(exist_ok=True)
        with csv_writer(path, schema) as writer:
            for frame in _track_frames(mask, catalogue, seeds):
                writer.write_table(pa.Table.from_pandas(frame, schema, preserve_index=False))


def _track_frames(
    mask: Bools, catalogue: Catalogue, seeds: np.random.SeedSequence
) -> Iterator[pd.DataFrame]:
    """Yield the table of the tracks of `mask` in chunks, each with its own generator."""
    head, tail = np.arange(HEAD), np.flatnonzero(mask)
    tail = tail[tail >= HEAD]
    if mask[head].any():
        rng = np.random.default_rng(seeds.spawn(1)[0])
        yield track_table(head, catalogue, rng)[mask[head]]
    for first in range(0, len(tail), TRACK_CHUNK):
        rng = np.random.default_rng(seeds.spawn(1)[0])
        yield track_table(tail[first : first + TRACK_CHUNK], catalogue, rng)
