"""A submission to the challenge: a model's answers to a test set, and how right a submission is."""

import errno
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import IO

import numpy as np
import pyarrow as pa

from skipcast.archive.challenge import Pair, find_pairs, lines
from skipcast.archive.csv_files import intact
from skipcast.archive.half_sessions import half
from skipcast.archive.track_features import TrackFeatures
from skipcast.arrays import Bools, Indices
from skipcast.clients.batch import score
from skipcast.errors import SkipcastError
from skipcast.evaluation.challenge import average_accuracy, decide, first_accuracy
from skipcast.files import replacing

LINES = 1 << 16  # of a submission, read at a time
FIGURES = b"01"


@dataclass(frozen=True)
class Submitted:
    """What a submission answers."""

    pairs: int  # of files
    sessions: int
    plays: int  # of second halves
    unknown: int  # of these, whose track neither the model nor the track features know


@dataclass(frozen=True)
class Checked:
    """How right a submission is: means over its sessions, 0..1."""

    sessions: int
    maa: float
    fpa: float


def submit(
    test_set: Path, target: Path, model: str, tracks: TrackFeatures | None = None
) -> Submitted:
    """Answer a test set; write `target`, which is whole or not there, a line per session.

    The order of lines is that of the names of log_input, and in a file that in which the sessions
    come first. What is in memory does not grow with the files that have both halves in one order,
    but for eight bytes a session.

    Args:
        test_set: the folder of the files.
        target: a text file.
        model: MLflow's name of a model of the horizon `second_half`.
        tracks: features of tracks, for those that the model does not know.

    Raises:
        SkipcastError: the test set is not as it must be, or the model refuses or does not load.
    """
    pairs = find_pairs(test_set)
    if target.is_dir():  # told before the work
        raise SkipcastError(f"{target} must be a file but is a folder. Correct --output.")
    sessions = plays = unknown = 0
    with _writable(target), replacing(target) as temporary, temporary.open("wb") as file:
        for answer, _ in _closed(pairs, model, tracks):
            is_asked, is_last = second_halves(answer)
            is_end = is_last[is_asked]
            probability = answer["skip_probability"].drop_null().to_numpy()
            file.write(lines(decide(probability, np.cumsum(is_end) - is_end), is_end))
            sessions += int(is_last.sum())
            plays += int(is_asked.sum())
            unknown += _unknown(answer, is_asked, tracks)
        if not sessions:
            raise SkipcastError(
                f"{test_set} must hold sessions but its files hold none. Get them again."
            )
    return Submitted(len(pairs), sessions, plays, unknown)


@contextmanager
def _writable(target: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):  # told for all commands alike
            raise
        raise SkipcastError(
            f"{target} must be writable but is not: {error.strerror}. Correct --output."
        ) from error


def _closed(
    pairs: list[Pair], model: str, tracks: TrackFeatures | None
) -> Iterator[tuple[pa.RecordBatch, object]]:
    tables = (
        table if tracks is None else tracks.add(table) for pair in pairs for table in pair.read()
    )
    with closing(score(tables, model)) as answers:
        yield from answers


def second_halves(answer: pa.RecordBatch) -> tuple[Bools, Bools]:
    """Return of each play whether it is of a second half, and whether it ends its session.

    Args:
        answer: of whole sessions, columns `schema.ANSWER`.

    Raises:
        SkipcastError: a play of a second half has no answer, or one of a first half has.
    """
    session = answer["session_id"].dictionary_encode().indices.to_numpy()
    start = np.flatnonzero(np.diff(session, prepend=-1))
    size = np.diff(start, append=len(session))
    position = np.arange(len(session)) - np.repeat(start, size) + 1
    is_asked = position > np.repeat(half(size), size)
    is_answered = answer["skip_probability"].is_valid().to_numpy(zero_copy_only=False)
    if (is_asked != is_answered).any():
        wrong = answer["session_id"][int(np.argmax(is_asked != is_answered))].as_py()
        raise SkipcastError(
            "The model must answer the plays of second halves, and no others, but does not so in "
            f"session {wrong[:40]!r}. Give it one of the horizon second_half."
        )
    return is_asked, position == np.repeat(size, size)


def _unknown(answer: pa.RecordBatch, is_asked: Bools, tracks: TrackFeatures | None) -> int:
    """Count the plays that are asked for whose track nobody knows."""
    is_known = answer["track_known"].to_numpy(zero_copy_only=False).astype(bool)
    ids = answer["track_id_clean"].filter(pa.array(is_asked & ~is_known))
    return len(ids) if tracks is None else int((~tracks.knows(ids)).sum())


def check(submission: Path, truth: Path) -> Checked:
    """Score a submission as the challenge does.

    Args:
        submission: a line per session, a character per play of its second half, 0 or 1.
        truth: the same, with what became of the plays.

    Raises:
        SkipcastError: a file is not there, or a line has other characters than 0 and 1, or in one
            file more or fewer than in the other; the message names the line.
    """
    total, sessions = np.zeros(2), 0
    for answers, outcomes, sizes in _read(submission, truth):
        right = answers == outcomes
        number = np.repeat(np.arange(len(sizes)), sizes)
        total += [average_accuracy(right, number).sum(), first_accuracy(right, number).sum()]
        sessions += len(sizes)
    if not sessions:
        raise SkipcastError(f"{truth} must have a line per session but is empty. Correct --truth.")
    return Checked(sessions, *(total / sessions).tolist())


def _read(submission: Path, truth: Path) -> Iterator[tuple[Indices, Indices, Indices]]:
    """Yield the characters of both files, some lines at a time, and the lengths of the lines."""
    with intact(str(submission)), submission.open("rb") as one, truth.open("rb") as other:
        before = 0
        while True:
            expected = _lines(truth, other, before)
            got = _lines(submission, one, before)
            _check_lengths(submission, got, expected, before)
            if not expected:
                return
            sizes = np.array([len(line) for line in expected])
            yield _numbers(got), _numbers(expected), sizes
            before += len(expected)


def _numbers(text: list[bytes]) -> Indices:
    return np.frombuffer(b"".join(text), np.uint8).astype(np.intp)


def _lines(path: Path, file: IO[bytes], before: int) -> list[bytes]:
    """Read some lines, without their ends; `before` is the number of those that were read."""
    found = [line.rstrip(b"\n") for line in islice(file, LINES)]
    for number, line in enumerate(found, before + 1):
        strange = line.strip(FIGURES)
        if strange or not line:
            what = f"{strange[:1].decode('latin-1')!r}" if strange else "nothing"
            raise SkipcastError(
                f"Line {number} of {path} must have the characters 0 and 1 alone, at least one, "
                f"but has {what}. Write a line per session, a character per play of its second "
                "half."
            )
    return found


def _check_lengths(submission: Path, got: list[bytes], expected: list[bytes], before: int) -> None:
    for number, (line, right) in enumerate(zip(got, expected, strict=False), before + 1):
        if len(line) != len(right):
            raise SkipcastError(
                f"Line {number} of {submission} must have {len(right)} characters, one per play of "
                f"the session's second half, but has {len(line)}. Answer the sessions in the order "
                "of log_input."
            )
    if len(got) != len(expected):
        more = "goes on after" if len(got) > len(expected) else "ends after"
        last = before + min(len(got), len(expected))
        raise SkipcastError(
            f"{submission} must have as many lines as the truth but {more} line {last}. "
            "Give a line per session of the test set, and no other."
        )
