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
from collections.abc import Callable, Iterator, Mapping, Sequence
from hashlib import blake2b
from pathlib import Path

import numpy as np
import numpy.typing as npt

from skipcast.arrays import Array, Bools, Floats, Matrix
from skipcast.schema import TARGET
from skipcast.serving.histogram import BINS
from skipcast.serving.log_files import LogFiles, prepare_folder

REMEMBERED = 10_000
MOST = 1000  # outcomes of a line
CHECK_BYTES = 2
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
        self._salt = prepare_folder(folder)
        self.folder = folder
        header = json.dumps({"version": version, "features": [*features]}).encode()
        self._files = LogFiles(folder, limit=megabytes * 10**6, header=header)
        self._edges = None if edges is None else _padded(edges)
        self._told = 0  # of the lost lines
        self._written: OrderedDict[str, int] = OrderedDict()  # last position, by session

    @property
    def lost(self) -> int:
        """How many lines could not be written since this process began."""
        return self._files.lost

    def write(
        self,
        columns: Mapping[str, Array],
        *,
        probability: Floats,
        is_open: Bools,
        known: Bools,
        features: Matrix,
    ) -> None:
        """Append what a request told and what it was answered; never raises for the disk.

        Args:
            columns: of the request, as `Plays.columns`.
            probability: of each play, NaN where it was not scored.
            is_open: whether each play has not ended.
            known: whether the model knows each play's track.
            features: of the plays that were scored and are open, in the order of the request.
        """
        rows = np.flatnonzero(is_open & ~np.isnan(probability))
        bins = dict(zip(rows.tolist(), self._letters(features), strict=True))
        plays = _Plays(columns, probability, known, bins, self._new)
        now = time.time_ns() // 1000
        lines = [*plays.lines(self._salt, is_open.tolist(), now)]
        if self._files.lost > self._told:
            lines.insert(0, json.dumps({"at": now, "lost": self._files.lost - self._told}).encode())
        before = self._files.lost
        self._files.append(lines)
        if self._files.lost == before:
            self._told = before

    def _new(self, session: str, last: int) -> int:
        """Return how many outcomes up to the position `last` are to be written, 1 or more."""
        before = self._written.pop(session, 0)
        self._written[session] = last
        if len(self._written) > REMEMBERED:
            self._written.popitem(last=False)
        # A session that goes back has begun anew.
        return last if last < before else max(last - before, 1)

    def _letters(self, features: Matrix) -> list[str]:
        """Return the bins of each play as a text, empty where none are kept."""
        if self._edges is None:
            return [""] * len(features)
        return [row.tobytes().decode("ascii") for row in bins_of(features, self._edges) + FIRST_BIN]


class _Plays:
    """The plays of a request as lines."""

    def __init__(
        self,
        columns: Mapping[str, Array],
        probability: Floats,
        known: Bools,
        bins: Mapping[int, str],
        new: Callable[[str, int], int],
    ) -> None:
        self._ids: list[str] = columns["session_id"].tolist()
        self._tracks: list[str] = columns["track_id_clean"].tolist()
        self._positions: list[int] = columns["session_position"].astype(np.int64).tolist()
        self._outcomes: list[float] = columns[TARGET].tolist()
        self._probability: list[float] = probability.tolist()
        self._known: list[bool] = known.tolist()
        self._bins = bins
        self._new = new

    def lines(self, salt: bytes, is_open: Sequence[bool], now: int) -> Iterator[bytes]:
        """Yield the lines: of each session what happened, then the answers."""
        ended: dict[str, list[int]] = {}
        asked: dict[str, list[int]] = {}
        for row, (name, is_asked) in enumerate(zip(self._ids, is_open, strict=True)):
            (asked if is_asked else ended).setdefault(name, []).append(row)
        for name in ended | asked:
            digest = blake2b(name.encode("utf-8", "surrogatepass"), key=salt).digest()
            session, key = digest[:8].hex(), digest[8:40]
            start = f'{{"at":{now},"session":"{session}"'
            if name in ended:
                yield self._happened(start, session, ended[name], key)
            for row in asked.get(name, ()):
                if row in self._bins:
                    yield self._answer(start, row, key)

    def _happened(self, start: str, session: str, rows: list[int], key: bytes) -> bytes:
        last_row = max(rows, key=self._positions.__getitem__)
        last = self._positions[last_row]
        new = min(self._new(session, last), MOST)
        newest = [last_row] if new == 1 else sorted(rows, key=self._positions.__getitem__)[-new:]
        outcomes = "".join(
            [f"{self._check(row, key)}{_digit(self._outcomes[row])}" for row in newest]
        )
        return f'{start},"last":{last},"outcomes":"{outcomes}"}}'.encode()

    def _answer(self, start: str, row: int, key: bytes) -> bytes:
        known = "true" if self._known[row] else "false"
        return (
            f'{start},"position":{self._positions[row]},"check":"{self._check(row, key)}",'
            f'"probability":{self._probability[row]!r},"known":{known},"bins":"{self._bins[row]}"}}'
        ).encode()

    def _check(self, row: int, key: bytes) -> str:
        text = f"{self._positions[row]} {self._tracks[row]}".encode("utf-8", "surrogatepass")
        return blake2b(text, key=key, digest_size=CHECK_BYTES).hexdigest()


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
