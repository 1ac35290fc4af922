"""The log of a served model: what it answered and, as soon as a request tells it, what happened.

Off unless `log` of the model's configuration names a folder (`serve.log` in params.yaml). A line is
a JSON object:

- the first of a file, about all of it: `version` of the model and names of its `features`;
- an answer: `at`, microseconds of the UTC clock; `session` and `check`, see below; `position`;
  `probability`; `known`, whether the model knows the track; `bins`, a letter for each feature: `a`
  for the first bin of `histogram.reference`, `k` for a missing value;
- what happened: `at`, `session`, `last` position of some plays that have ended, and their
  `outcomes`, `WIDTH` characters each: `check`, then 1 where it was skipped, 0 where not, `-` where
  the request does not tell;
- how many lines were `lost` since the last such line, because the disk was full.

`session` is a hash of the session's id, and `check` one of the position and the track, of 16 bits
only: enough to tell apart the tracks that a client asks about at one position, too few to name one
of millions. Both need the salt, which is in a file of its own.

A request tells all that happened in its session. A process writes the newest outcome, and those
that it has not written: it remembers how far it came in the last `REMEMBERED` sessions. So it does
not matter which process answers which request, nor whether it is a new one.
"""

import json
import logging
import time
from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from itertools import pairwise
from pathlib import Path

import numpy as np
import numpy.typing as npt

from skipcast.arrays import Array, Bools, Floats, Matrix
from skipcast.schema import TARGET
from skipcast.serving.histogram import BINS
from skipcast.serving.histories import Histories
from skipcast.serving.log_files import LogFiles, prepare_folder

REMEMBERED = 10_000
MOST = 1000  # outcomes of a line
SESSION_BYTES, CHECK_BYTES = 8, 2
WIDTH = 2 * CHECK_BYTES + 1
FIRST_BIN = ord("a")
KEEPS = (
    "This server keeps in %s, at most %s MB: of each answer the time, the position, the "
    "probability, the model's version, whether the track is known, the bins of the features and a "
    "salted hash of the session; of each play that has ended, whether it was skipped. It keeps no "
    "id of a session, a track or a listener, and no value of a play."
)

_logger = logging.getLogger(__name__)


class RequestLog:
    """Writes the log of one process."""

    def __init__(
        self,
        folder: Path,
        *,
        megabytes: int,
        version: str,
        features: Sequence[str],
        edges: Sequence[Sequence[float]] | None,
    ) -> None:
        """Make the folder, if need be.

        Args:
            folder: of the log.
            megabytes: that it has at most.
            version: of the model.
            features: their names.
            edges: by feature, as `histogram.reference` returns them; None keeps no bins.

        Raises:
            OSError: the folder cannot be made or written.
            ValueError: the salt is damaged.
        """
        salt = prepare_folder(folder)
        self._session_hash = blake2b(key=salt, digest_size=SESSION_BYTES, person=b"session")
        self._check_hash = blake2b(key=salt, digest_size=CHECK_BYTES, person=b"check")
        self.folder = folder
        header = json.dumps({"version": version, "features": [*features]}).encode()
        self._files = LogFiles(folder, limit=megabytes * 10**6, header=header)
        self._edges = None if edges is None else _padded(edges)
        self._told = 0  # of the lost lines
        self._written: OrderedDict[bytes, int] = OrderedDict()  # last position, by session

    @property
    def lost(self) -> int:
        """How many lines could not be written since this process began."""
        return self._files.lost

    def write(
        self,
        columns: Mapping[str, Array],
        histories: Histories,
        *,
        probability: Floats,
        is_open: Bools,
        known: Bools,
        features: Matrix,
    ) -> None:
        """Append what a request told and what it was answered; never raises for the disk.

        Args:
            columns: of the request, as `Plays.columns`.
            histories: its rows in order.
            probability: of each play, NaN where it was not scored.
            is_open: whether each play has not ended.
            known: whether the model knows each play's track.
            features: of the plays that were scored and are open, in the order of the request.
        """
        asked = np.flatnonzero(is_open & ~np.isnan(probability))
        answers = map(
            '"probability":%r,"known":%s,"bins":"%s"}'.__mod__,
            zip(
                probability[asked].tolist(),
                np.where(known[asked], "true", "false").tolist(),
                self._letters(features),
                strict=True,
            ),
        )
        plays = _Plays(
            ids=columns["session_id"],
            tracks=columns["track_id_clean"],
            positions=columns["session_position"].astype(np.int64).tolist(),
            outcomes=columns[TARGET].tolist(),
            is_open=is_open.tolist(),
            answers=dict(zip(asked.tolist(), answers, strict=True)),
        )
        now = time.time_ns() // 1000
        lines = [*self._lines(plays, histories, now)]
        if self._files.lost > self._told:
            lines.insert(0, json.dumps({"at": now, "lost": self._files.lost - self._told}).encode())
        before = self._files.lost
        self._files.append(lines)
        if self._files.lost == before:
            self._told = before

    def _lines(self, plays: "_Plays", histories: Histories, now: int) -> Iterator[bytes]:
        """Yield the lines: of each session what happened, then the answers."""
        order = histories.order.tolist()
        for start, stop in pairwise([*histories.starts.tolist(), len(order)]):
            rows = order[start:stop]
            session = _hash(self._session_hash, plays.ids[rows[0]])
            check = self._check_hash.copy()
            check.update(session)
            begin = f'{{"at":{now},"session":"{session.hex()}",'
            ended = len(rows)  # up to the last that has
            while ended and plays.is_open[rows[ended - 1]]:
                ended -= 1
            if ended:
                new = self._new(session, ended)
                yield plays.happened(begin, rows[ended - new : ended], check)
            yield from plays.answered(begin, rows, check)

    def _new(self, session: bytes, last: int) -> int:
        """Return how many outcomes up to the position `last` are to be written, 1 or more."""
        before = self._written.get(session, 0)
        self._written[session] = last
        self._written.move_to_end(session)
        if len(self._written) > REMEMBERED:
            self._written.popitem(last=False)
        # A session that goes back has begun anew.
        return min(MOST, last if last < before else max(last - before, 1))

    def _letters(self, features: Matrix) -> list[str]:
        """Return the bins of each play as a text, empty where none are kept."""
        if self._edges is None:
            return [""] * len(features)
        text = (bins_of(features, self._edges) + FIRST_BIN).tobytes().decode("ascii")
        width = features.shape[1]
        return [text[i : i + width] for i in range(0, len(text), width)]


@dataclass(frozen=True, kw_only=True)
class _Plays:
    """The plays of a request; `answers` has the end of the line of each answer, by row."""

    ids: Array
    tracks: Array
    positions: list[int]
    outcomes: list[float]
    is_open: list[bool]
    answers: Mapping[int, str]

    def happened(self, begin: str, rows: list[int], check: blake2b) -> bytes:
        """Return the line of what happened to the plays `rows` of a session, by position."""
        outcomes = "".join([self._check(row, check) + _digit(self.outcomes[row]) for row in rows])
        return f'{begin}"last":{self.positions[rows[-1]]},"outcomes":"{outcomes}"}}'.encode()

    def answered(self, begin: str, rows: list[int], check: blake2b) -> Iterator[bytes]:
        """Yield the line of each answer about a session."""
        for row in filter(self.answers.__contains__, rows):
            what = f'"position":{self.positions[row]},"check":"{self._check(row, check)}",'
            yield f"{begin}{what}{self.answers[row]}".encode()

    def _check(self, row: int, check: blake2b) -> str:
        return _hash(check, f"{self.positions[row]} {self.tracks[row]}").hex()


def _hash(start: blake2b, text: str) -> bytes:
    """Return the hash `start` with a text after it: to copy one costs less than to make it."""
    copy = start.copy()
    copy.update(text.encode("utf-8", "surrogatepass"))
    return copy.digest()


def _digit(outcome: float) -> str:
    """Write an outcome: 0, 1 or NaN."""
    return "-" if outcome != outcome else str(int(outcome))


def _padded(edges: Sequence[Sequence[float]]) -> Matrix:
    """Return the edges as a table, `BINS` - 1 x features; no value exceeds those that are made."""
    table = np.full((BINS - 1, len(edges)), np.inf, np.float32)
    for column, inner in zip(table.T, edges, strict=True):
        column[: len(inner)] = inner
    return table


def bins_of(features: Matrix, edges: Matrix) -> npt.NDArray[np.uint8]:
    """Return the bin of each value as `histogram.count` numbers them: plays x features.

    >>> bins_of(np.array([[1], [3], [np.nan]], np.float32), _padded([[2.0]])).tolist()
    [[0], [1], [10]]
    """
    bins: npt.NDArray[np.uint8] = (features > edges[:, None]).sum(axis=0, dtype=np.uint8)
    bins[np.isnan(features)] = BINS
    return bins
