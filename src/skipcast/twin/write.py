"""The twin: synthetic sessions in the official layout, with none of its rows.

`twin_sessions` says how its listeners listen, `twin_tracks` what they listen to; this module makes
sessions in chunks and writes them as the official files, with the true probabilities beside them.
Each chunk has a generator of its own, spawned from the seed: the same seed gives the same bytes,
and memory does not grow with the number of sessions.
"""

import datetime
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import csv, parquet
from scipy.special import expit

from skipcast.errors import SkipcastError
from skipcast.files import replacing
from skipcast.schema import LOG, SYNTHETIC_PREFIX, TRACK, names
from skipcast.twin.catalogue import (
    CATALOGUE,
    HEAD,
    Catalogue,
    draw_tracks,
    make_catalogue,
    track_table,
)
from skipcast.twin.listeners import (
    CONTEXTS,
    ENDS,
    POSITIONS,
    STARTS,
    Habits,
    Ints,
    State,
    begin,
    end,
    read_habits,
    start,
)

CHUNK = 10_000  # sessions made at a time: what bounds the memory
TRACK_CHUNK = 100_000
FIRST_DAY = datetime.date(2018, 7, 15)
PART_DAYS, PARTS_A_DAY = 3, 10  # with `parts`; the full set has 66 days of 10 files
# Shares of sessions dated the day of their file, the day before, and each of 16 days before that.
DAY_SHARES = np.array([0.7126, 0.2788, *[0.0086 / 16] * 16])

ORACLE = "oracle.parquet"
ORACLE_SCHEMA = pa.schema(
    [("session_id", pa.string()), ("session_position", pa.int64()), ("probability", pa.float64())]
)


def write_twin(folder: Path, *, sessions: int, seed: int, parts: bool = False) -> None:
    """Write `sessions` synthetic sessions and their tracks to `folder` in the official layout.

    Beside them `oracle.parquet` holds what no data set has: the probability of `skip_2` of each
    play given everything known when it starts, the listener's hidden state included. Memory does
    not grow with `sessions`; the same arguments give the same bytes. With `parts` the files are
    named as the full set's, over several days, and else as the mini set's.

    Raises:
        SkipcastError: `sessions` is not positive, `folder` is not empty, or writing failed (a full
            disk); nothing is then left under the name of `folder`.
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
            _write_all(temporary, sessions=sessions, seed=seed, parts=parts)
    except OSError as error:
        raise SkipcastError(
            f"The twin must be written whole but got `{error}` for {folder}, so nothing was kept. "
            "Free some space (about 2 MB per 1,000 sessions) or name a folder elsewhere."
        ) from error


def _write_all(folder: Path, *, sessions: int, seed: int, parts: bool) -> None:
    for_catalogue, for_tracks, for_sessions = np.random.SeedSequence(seed).spawn(3)
    catalogue = make_catalogue(np.random.default_rng(for_catalogue))
    played = np.zeros(CATALOGUE, dtype=bool)
    habits = read_habits()
    (folder / "training_set").mkdir(parents=True)
    with parquet.ParquetWriter(folder / ORACLE, ORACLE_SCHEMA) as oracle:
        for name, day, numbers in _files(sessions, parts=parts):
            with _csv_writer(folder / "training_set" / name, log_schema()) as writer:
                for first in range(numbers.start, numbers.stop, CHUNK):
                    n = min(CHUNK, numbers.stop - first)
                    rng = np.random.default_rng(for_sessions.spawn(1)[0])
                    ids = _session_ids(seed, first, n)
                    log, truth = _chunk(ids, day, catalogue, habits, rng, played)
                    writer.write_table(log)
                    oracle.write_table(truth)
    _write_tracks(folder / "track_features", played, catalogue, for_tracks, parts=parts)


def _files(sessions: int, *, parts: bool) -> Iterator[tuple[str, datetime.date, range]]:
    """Yield name, day and session numbers of each log file; no file is empty."""
    if not parts:
        yield "log_mini.csv", FIRST_DAY, range(sessions)
        return
    n_files = PART_DAYS * PARTS_A_DAY
    bounds = [i * sessions // n_files for i in range(n_files + 1)]
    for i in range(n_files):
        day = FIRST_DAY + datetime.timedelta(days=i // PARTS_A_DAY)
        if bounds[i] < bounds[i + 1]:
            name = f"log_{i % PARTS_A_DAY}_{day:%Y%m%d}_000000000000.csv"
            yield name, day, range(bounds[i], bounds[i + 1])


@contextmanager
def _csv_writer(path: Path, schema: pa.Schema) -> Iterator[csv.CSVWriter]:
    """Open `path` as CSV without any quotes, as the official files are, its header included."""
    options = csv.WriteOptions(quoting_style="none", include_header=False)
    with ExitStack() as stack:
        file = stack.enter_context(path.open("wb"))
        file.write((",".join(schema.names) + "\n").encode())
        yield stack.enter_context(csv.CSVWriter(file, schema, write_options=options))


def log_schema() -> pa.Schema:
    """Return the columns of the log in official order, with their types in files."""
    types = {"text": pa.string(), "bigint": pa.int64(), "boolean": pa.bool_()}
    return pa.schema([(column.name, types[column.type]) for column in LOG])


def _session_ids(seed: int, first: int, n: int) -> pa.Array:
    numbers = pc.utf8_lpad(pa.array(np.arange(first, first + n)).cast(pa.string()), 9, "0")
    return pc.binary_join_element_wise(f"{SYNTHETIC_PREFIX}{seed}", numbers, "-")


def _chunk(
    ids: pa.Array,
    day: datetime.date,
    catalogue: Catalogue,
    habits: Habits,
    rng: np.random.Generator,
    played: np.ndarray[tuple[int], np.dtype[np.bool_]],
) -> tuple[pa.Table, pa.Table]:
    """Make the sessions `ids`: their plays as in the log, and the true probabilities.

    Marks in `played` the tracks that they play.
    """
    dates = _dates(day, len(ids), rng)
    state, plays = _listen(len(ids), catalogue, habits, rng)
    there = np.arange(POSITIONS) < state.length[:, None]
    plays = {name: values[there] for name, values in plays.items()}
    session, at = np.nonzero(there)
    played[plays["track"]] = True
    steady = {
        "session_id": ids.take(pa.array(session)),
        "session_position": at + 1,
        "session_length": state.length[session],
        "hour_of_day": state.hour[session],
        "date": dates.take(pa.array(session)),
        "premium": state.premium[session],
    }
    log = pa.table({**steady, **_columns(plays, habits, rng)})
    truth = [steady["session_id"], pa.array(at + 1), pa.array(plays["probability"])]
    return log.select(names(LOG)), pa.Table.from_arrays(truth, schema=ORACLE_SCHEMA)


def _listen(
    n: int, catalogue: Catalogue, habits: Habits, rng: np.random.Generator
) -> tuple[State, dict[str, Ints]]:
    """Let n sessions run through all positions; return (n, 20) numbers of their plays by name.

    Every session runs to position 20, because arrays of one shape are what makes this fast.
    """
    state = begin(n, habits, rng)
    plays: dict[str, list[Ints]] = {}
    for intercept in habits.intercept:
        draws = draw_tracks(catalogue, n, rng)
        begun = start(state, draws, catalogue.appeal, habits, rng)
        log_odds = begun.log_odds + intercept
        end(state, log_odds, habits, rng)
        play = {
            "track": state.tracks[-1],
            "depth": state.depth,
            "end": state.end,
            "context": state.context,
            "shuffle": state.shuffle,
            "reason": begun.reason,
            "switch": begun.switch,
            "pause": begun.pause,
            "probability": expit(log_odds),
        }
        for name, values in play.items():
            plays.setdefault(name, []).append(values)
    return state, {name: np.stack(values, axis=1) for name, values in plays.items()}


def _dates(day: datetime.date, n: int, rng: np.random.Generator) -> pa.Array:
    days = [str(day - datetime.timedelta(days=i)) for i in range(len(DAY_SHARES))]
    bounds = np.cumsum(DAY_SHARES)[:-1]
    return pa.array(days).take(pa.array(np.searchsorted(bounds, rng.random(n), side="right")))


def _columns(plays: dict[str, Ints], habits: Habits, rng: np.random.Generator) -> dict[str, object]:
    """Turn the numbers of the plays into the columns of the log."""
    depth, pause = plays["depth"], plays["pause"]
    numbers = pc.utf8_lpad(pa.array(plays["track"]).cast(pa.string()), 7, "0")
    listened = (depth == 4).astype(int)
    return {
        "track_id_clean": pc.binary_join_element_wise(f"{SYNTHETIC_PREFIX}track", numbers, "-"),
        "skip_1": depth == 0,
        "skip_2": depth <= 1,
        "skip_3": depth <= 2,
        "not_skipped": depth == 4,
        "context_switch": plays["switch"].astype(int),
        "no_pause_before_play": (pause == 0).astype(int),
        "short_pause_before_play": (pause == 1).astype(int),
        # A short pause counts as a long one too: in the mini set no, long and first add up to 1.
        "long_pause_before_play": (pause >= 1).astype(int),
        "hist_user_behavior_n_seekfwd": _seeks(habits.seek_shares[0][listened], 60, rng),
        "hist_user_behavior_n_seekback": _seeks(habits.seek_shares[1][listened], 151, rng),
        "hist_user_behavior_is_shuffle": plays["shuffle"],
        "context_type": pa.array(CONTEXTS).take(pa.array(plays["context"])),
        "hist_user_behavior_reason_start": pa.array(STARTS).take(pa.array(plays["reason"])),
        "hist_user_behavior_reason_end": pa.array(ENDS).take(pa.array(plays["end"])),
    }


def _seeks(
    any_seek: np.ndarray[tuple[int], np.dtype[np.float64]], most: int, rng: np.random.Generator
) -> Ints:
    """Draw numbers of seeks: mostly none, and where any, a long tail up to `most`."""
    n = len(any_seek)
    many = np.minimum((1 - rng.random(n)) ** (-1 / 2.4), most).astype(np.int64)
    return np.where(rng.random(n) < any_seek, many, 0)


def _write_tracks(
    folder: Path,
    played: np.ndarray[tuple[int], np.dtype[np.bool_]],
    catalogue: Catalogue,
    seeds: np.random.SeedSequence,
    *,
    parts: bool,
) -> None:
    """Write the table of the `played` tracks, in one file or two."""
    folder.mkdir()
    middle = np.flatnonzero(played)[played.sum() // 2] if parts else len(played)
    files = {"tf_mini.csv": played}
    if parts:
        first = np.arange(len(played)) < middle
        files = {"tf_000000000000.csv": played & first, "tf_000000000001.csv": played & ~first}
    types = {"text": pa.string(), "bigint": pa.int64(), "double precision": pa.float32()}
    schema = pa.schema([(column.name, types[column.type]) for column in TRACK])
    for name, mask in files.items():
        with _csv_writer(folder / name, schema) as writer:
            for frame in _track_frames(mask, catalogue, seeds):
                writer.write_table(pa.Table.from_pandas(frame, schema, preserve_index=False))


def _track_frames(
    played: np.ndarray[tuple[int], np.dtype[np.bool_]],
    catalogue: Catalogue,
    seeds: np.random.SeedSequence,
) -> Iterator[pd.DataFrame]:
    head, tail = np.arange(HEAD), np.flatnonzero(played)
    tail = tail[tail >= HEAD]
    if played[head].any():
        rng = np.random.default_rng(seeds.spawn(1)[0])
        yield track_table(head, catalogue, rng)[played[head]]
    for first in range(0, len(tail), TRACK_CHUNK):
        rng = np.random.default_rng(seeds.spawn(1)[0])
        yield track_table(tail[first : first + TRACK_CHUNK], catalogue, rng)
