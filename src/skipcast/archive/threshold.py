"""Which sessions are in a sample: those of lowest hash that together have enough plays."""

import numpy as np
import numpy.typing as npt

from skipcast.arrays import Counts

Hashes = npt.NDArray[np.uint64]
ALL = 2**64 - 1  # a threshold that no hash is above


class Threshold:
    """The highest hash that a session of a sample may have, as far as the plays are known.

    It only ever falls: a session above it cannot be in the sample, however many plays are to come.
    Of plays, only the hashes of their sessions are held, and of those only the ones below.

    >>> threshold = Threshold(rows=3)
    >>> threshold.add(np.array([7, 5, 9], np.uint64), np.array([1, 2, 2]))
    >>> threshold.exact()
    7
    """

    def __init__(self, rows: int | None, value: int = ALL) -> None:
        """Begin without plays.

        Args:
            rows: the number of plays of the sample; None: all there are.
            value: a threshold that is known already.
        """
        self.value = value
        self._rows = rows
        self._hashes: list[Hashes] = []
        self._plays: list[Counts] = []
        self._held = 0  # plays
        self._limit = 2 * (rows or 0)

    @property
    def takes_all(self) -> bool:
        """Whether no session is left out."""
        return self._rows is None

    def add(self, hashes: Hashes, plays: Counts) -> None:
        """Count plays of sessions; those of a session may come in several calls."""
        if self._rows is None:
            return
        low = hashes <= self.value
        self._hashes.append(hashes[low])
        self._plays.append(plays[low])
        self._held += int(plays[low].sum())
        if self._held > self._limit:
            self.exact()
            # A session longer than all others must not make this happen at every call.
            self._limit = max(2 * self._rows, 2 * self._held)

    def exact(self) -> int:
        """Return the threshold of all plays until now; forget the sessions above it."""
        if self._rows is None or not self._hashes:
            return self.value
        hashes, place = np.unique(np.concatenate(self._hashes), return_inverse=True)
        plays = np.bincount(place, np.concatenate(self._plays)).astype(np.int64)
        enough = np.flatnonzero(np.cumsum(plays) >= self._rows)
        if enough.size:
            self.value = int(hashes[enough[0]])
            hashes, plays = hashes[: enough[0] + 1], plays[: enough[0] + 1]
        self._hashes, self._plays, self._held = [hashes], [plays], int(plays.sum())
        return self.value
