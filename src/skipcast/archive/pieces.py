"""Pieces: what was read of a CSV file until now, on disk, so that a kill loses little of it.

Pieces of logs and track tables are in the order of the file. One of a log has whole sessions, each
in a run of rows, in the order in which they begin. Each piece is a folder that is whole or not
there.
"""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from skipcast.archive.threshold import Hashes
from skipcast.arrays import Counts
from skipcast.errors import SkipcastError
from skipcast.files import write_array
from skipcast.records import Record

Kind = Literal["log", "track table"]
SESSION = np.dtype([("hash", np.uint64), ("plays", np.uint32)])
STATE, ROWS, SESSIONS, CARRY = "state.json", "rows.parquet", "sessions.npy", "carry.parquet"


class State(Record):
    """How far a CSV file was read when a piece was finished.

    Attributes:
        offset: bytes of its text that were read.
        rows: how many rows these are.
        sessions: how many of them are the first play of a session.
        tail: position and session length of the last one; None before the first row.
        is_last: whether this is all of the file.
    """

    offset: int
    rows: int = 0
    sessions: int = 0
    tail: tuple[int | None, int | None] | None = None
    is_last: bool = False


@dataclass(frozen=True)
class Content:
    """What a piece holds.

    Attributes:
        rows: of the file, all but those of sessions above the threshold.
        hashes: of its sessions, in their order.
        plays: of each session.
        carry: rows of sessions that were not whole yet; the next piece begins with them.
    """

    rows: pa.Table
    hashes: Hashes
    plays: Counts
    carry: pa.Table | None = None


@dataclass(frozen=True)
class Pieces:
    """The pieces of a CSV file that are finished.

    Attributes:
        folder: of nothing else.
        name: of the CSV file, for messages.
    """

    folder: Path
    name: str

    def __len__(self) -> int:
        """Return how many there are."""
        number = 0
        while self._place(number).is_dir():
            number += 1
        return number

    def write(self, number: int, content: Content, state: State) -> None:
        """Write a piece: it is whole, or not there."""
        self.folder.mkdir(parents=True, exist_ok=True)
        sessions = np.empty(len(content.hashes), SESSION)
        sessions["hash"], sessions["plays"] = content.hashes, content.plays
        temporary = Path(tempfile.mkdtemp(prefix=".", dir=self.folder))
        try:
            _write_rows(temporary / ROWS, content.rows)
            if content.carry is not None:
                _write_rows(temporary / CARRY, content.carry)
            write_array(temporary / SESSIONS, sessions)
            (temporary / STATE).write_text(state.model_dump_json(), encoding="utf-8")
            os.replace(temporary, self._place(number))  # noqa: PTH105 (as in files.py)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)

    def state(self, number: int) -> State:
        """Read how far the file was read."""
        with self._whole():
            return State.model_validate_json((self._place(number) / STATE).read_bytes())

    def sessions(self, number: int) -> npt.NDArray[np.void]:
        """Read hash and number of plays, `SESSION`, of each session of a piece."""
        with self._whole():
            sessions: npt.NDArray[np.void] = np.load(self._place(number) / SESSIONS)
        return sessions

    def rows(self, number: int, columns: list[str] | None = None) -> pa.Table:
        """Read the rows of a piece."""
        with self._whole():
            return pq.read_table(self._place(number) / ROWS, columns=columns)

    def carry(self, number: int) -> pa.Table | None:
        """Read the rows of sessions that were not whole yet."""
        path = self._place(number) / CARRY
        with self._whole():
            return pq.read_table(path) if path.is_file() else None

    @contextmanager
    def _whole(self) -> Iterator[None]:
        """Raise the errors of what the disk damaged as one that a user can mend."""
        try:
            yield
        except (pa.ArrowException, OSError, ValueError, EOFError) as error:
            place = self.folder.parent  # of all that is known of the file of the source
            raise SkipcastError(
                f"{self.folder} must be as an earlier attempt wrote it but is damaged: {error}. "
                f"Delete what is known of the file, `rm -r {place}`, and run it again."
            ) from error

    def _place(self, number: int) -> Path:
        return self.folder / f"{number:05}"


def _write_rows(path: Path, rows: pa.Table) -> None:
    texts = [field.name for field in rows.schema if pa.types.is_string(field.type)]
    # They are read once, and soon: fast to write counts for more than small.
    pq.write_table(rows, path, compression="lz4", use_dictionary=texts)
