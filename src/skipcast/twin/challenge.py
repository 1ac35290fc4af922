"""The twin's test set: half sessions in the files of the challenge, and apart from them the truth.

The sessions are others than those of the twin of the same seed, of the same listeners and tracks.
"""

import datetime
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from itertools import pairwise
from pathlib import Path

import numpy as np
import pyarrow as pa

from skipcast.archive.challenge import FOLDER, GIVEN, file_names, lines
from skipcast.archive.half_sessions import half
from skipcast.errors import SkipcastError
from skipcast.files import replacing
from skipcast.schema import TARGET
from skipcast.twin.catalogue import CATALOGUE, make_catalogue
from skipcast.twin.listeners import read_habits
from skipcast.twin.sessions import World, log_schema, make_sessions, session_ids
from skipcast.twin.write import CHUNK, FIRST_DAY, csv_writer

DAYS = 3  # with a pair of files each; the official test set has 66
TRUTH = "truth.txt"
PART = "test-"  # in the ids of sessions


def write_test_set(folder: Path, *, sessions: int, seed: int) -> None:
    """Write synthetic half sessions to `folder`/test_set, and their outcomes to `folder`/truth.txt.

    The truth is as a submission that is right everywhere. The same arguments give the same bytes.

    Args:
        folder: may hold the twin of the same seed, but no test set.
        sessions: how many to write, 1 or more; memory does not grow with them.
        seed: any whole number from 0 on.

    Raises:
        SkipcastError: `sessions` is not positive, there is a test set, or writing failed. Then
            `folder` is as it was.
    """
    if sessions <= 0:
        raise SkipcastError(
            f"The number of sessions must be positive but got {sessions}. Ask for 1 or more."
        )
    for name in (FOLDER, TRUTH):
        if (folder / name).exists():
            raise SkipcastError(
                f"The folder of the test set must have no {name} but {folder} has one. Name "
                "another folder, or remove it."
            )
    try:
        with replacing(folder / FOLDER) as files, replacing(folder / TRUTH) as truth:
            files.mkdir()
            _write(files, truth, sessions=sessions, seed=seed)
    except OSError as error:
        raise SkipcastError(
            f"The test set must be written whole but got `{error}` for {folder}, so nothing was "
            "kept. Free some space (about 2 MB per 1,000 sessions) or name a folder elsewhere."
        ) from error


def _write(folder: Path, truth: Path, *, sessions: int, seed: int) -> None:
    # The first of these are those of the twin: the test set has its tracks.
    for_catalogue, _, _, for_sessions = np.random.SeedSequence(seed).spawn(4)
    catalogue = make_catalogue(np.random.default_rng(for_catalogue))
    world = World(catalogue, read_habits(), np.zeros(CATALOGUE, dtype=bool))
    bounds = [day * sessions // DAYS for day in range(DAYS + 1)]
    with truth.open("wb") as answers:
        for number, numbers in enumerate(pairwise(bounds)):
            if numbers[0] < numbers[1]:
                day = FIRST_DAY + datetime.timedelta(days=number)
                paths = [folder / name for name in file_names(f"{day:%Y%m%d}")]
                logs = _make(range(*numbers), day, world, seed, for_sessions)
                answers.writelines(_write_pair(paths, logs))


def _make(
    numbers: range, day: datetime.date, world: World, seed: int, seeds: np.random.SeedSequence
) -> Iterator[pa.Table]:
    """Yield the sessions of a day in chunks, each with its own generator."""
    for first in range(numbers.start, numbers.stop, CHUNK):
        ids = session_ids(seed, first, min(CHUNK, numbers.stop - first), part=PART)
        yield make_sessions(ids, day, world, np.random.default_rng(seeds.spawn(1)[0]))[0]


def _write_pair(paths: list[Path], logs: Iterable[pa.Table]) -> Iterator[bytes]:
    """Write the halves of sessions to the two files of a day; yield the answers to them."""
    schemas = log_schema(), pa.schema([log_schema().field(name) for name in GIVEN])
    with ExitStack() as stack:
        prehistory, second = (
            stack.enter_context(csv_writer(path, schema))
            for path, schema in zip(paths, schemas, strict=True)
        )
        for log in logs:
            position, length = (log[n].to_numpy() for n in ("session_position", "session_length"))
            is_first = position <= half(length)
            rest = log.filter(pa.array(~is_first))
            prehistory.write_table(log.filter(pa.array(is_first)))
            second.write_table(rest.select(GIVEN))
            yield lines(rest[TARGET].to_numpy(), (position == length)[~is_first])
