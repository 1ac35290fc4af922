"""Tables on disk in parts of whole sessions: a stage makes and reads one part at a time.

The folder of a table holds `part-00000.parquet`, `part-00001.parquet`, ... and `_parts.json`, which
says what each part is. A part has about `PART_ROWS` rows, sorted by session and position, and no
session is in two parts. 100,000 plays are one part.
"""

import io
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING

import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import ValidationError, model_validator

from skipcast.errors import SkipcastError
from skipcast.files import existing, hash_bytes, hash_file, write_json, write_parquet
from skipcast.folders import RUN, begin, discard, keep_only
from skipcast.records import Record

if TYPE_CHECKING:  # `skipcast --help` starts faster without
    import pandas as pd

PART_ROWS = 400_000  # a part ends with the first whole session that makes it as long
MANIFEST = "_parts.json"  # readers of Parquet pass over what begins so


class PartInfo(Record):
    """What a part is."""

    rows: int
    hash: str  # SHA-256 of its file


class Manifest(Record):
    """What the parts of a table are, in their order."""

    parts: tuple[PartInfo, ...]

    @model_validator(mode="after")
    def _has_each_once(self) -> "Manifest":
        hashes = [part.hash for part in self.parts if part.rows]
        if len({*hashes}) < len(hashes):
            raise ValueError("parts must be different")
        return self


@dataclass(frozen=True)
class Parts:
    """The parts of a table that is whole; each is read when it is asked for, and verified."""

    folder: Path
    made_by: str  # the stage
    manifest: Manifest

    @classmethod
    def read(cls, folder: Path, *, made_by: str) -> "Parts":
        """Find out which parts a folder has.

        Args:
            folder: of the table.
            made_by: the stage that makes it.

        Raises:
            SkipcastError: there is no such table, or its manifest is damaged.
        """
        if not folder.is_dir():
            raise SkipcastError(
                f"{folder} must be there but is not. `dvc repro {made_by}` makes it."
            )
        manifest = folder / MANIFEST
        try:
            content = existing(manifest, made_by=made_by).read_bytes()
            return cls(folder, made_by, Manifest.model_validate_json(content))
        except ValidationError as error:
            raise _changed(manifest, made_by) from error

    def __len__(self) -> int:
        """Return the number of parts."""
        return len(self.manifest.parts)

    def __iter__(self) -> "Iterator[pd.DataFrame]":
        """Read one part after the other."""
        return (self.part(number) for number in range(len(self)))

    @property
    def rows(self) -> int:
        """Return the number of rows of all parts."""
        return sum(part.rows for part in self.manifest.parts)

    @property
    def hash(self) -> str:
        """Return a fingerprint of the whole table."""
        return hash_bytes(self.manifest.model_dump_json().encode())

    def part(self, number: int, columns: list[str] | None = None) -> "pd.DataFrame":
        """Read a part.

        Args:
            number: of the part, from 0.
            columns: those to read; None reads all.

        Raises:
            SkipcastError: the part is not there, or is not as the stage wrote it.
        """
        import pandas as pd

        path = self.path(number)
        content = path.read_bytes()
        self._check(number, hash_bytes(content), io.BytesIO(content))
        return pd.read_parquet(io.BytesIO(content), columns=columns)

    def file(self, number: int) -> Path:
        """Return the file of a part, for who reads it as a stream; errors as `part`."""
        path = self.path(number)
        with path.open("rb") as content:
            self._check(number, hash_file(path), content)
        return path

    def _check(self, number: int, hash_: str, content: IO[bytes]) -> None:
        info = self.manifest.parts[number]
        if hash_ != info.hash:
            raise _changed(self.path(number), self.made_by)
        if pq.read_metadata(content).num_rows != info.rows:
            raise _changed(self.folder / MANIFEST, self.made_by)

    def path(self, number: int) -> Path:
        """Return the file of a part, unverified.

        Raises:
            SkipcastError: the part is not there.
        """
        path = self.folder / _name(number)
        if not path.is_file():
            raise SkipcastError(
                f"{path} must be there but is not. `dvc repro --force {self.made_by}` makes it "
                "again."
            )
        return path

    def whole(self, columns: list[str] | None = None) -> "pd.DataFrame":
        """Read all parts as one table, rows numbered from 0."""
        import pandas as pd

        frames = [self.part(number, columns) for number in range(len(self))]
        return pd.concat(frames, ignore_index=True)


@dataclass(frozen=True)
class Draft:
    """The parts of a table while a stage makes them, in a hidden folder beside its own.

    After a kill, the same stage goes on with the parts that were finished.
    """

    folder: Path  # of the table that comes of it
    made_by: str  # the stage

    @classmethod
    def open(cls, folder: Path, *, made_by: str, run: str) -> "Draft":
        """Find the parts that an earlier attempt has finished, or begin.

        Args:
            folder: of the table that comes of it.
            made_by: the stage.
            run: a fingerprint of all that decides what is in the parts. Those of another run are
                deleted.
        """
        draft = cls(folder, made_by)
        begin(draft.place, run)
        return draft

    @property
    def place(self) -> Path:
        """Return the hidden folder."""
        return self.folder.with_name(f".{self.folder.name}")

    def has(self, number: int) -> bool:
        """Tell whether a part is finished."""
        return (self.place / _name(number)).is_file()

    def missing(self, count: int) -> list[int]:
        """Return which of `count` parts are not finished."""
        return [number for number in range(count) if not self.has(number)]

    def write(self, number: int, table: "pd.DataFrame") -> None:
        """Write a part: it is whole, or not there."""
        write_parquet(self.place / _name(number), table)

    def read(self, number: int, columns: list[str]) -> pa.Table:
        """Read columns of a finished part.

        Raises:
            SkipcastError: the part is damaged; it is deleted, so that it is made again.
        """
        path = self.place / _name(number)
        try:
            return pq.read_table(path, columns=columns)
        except pa.ArrowException as error:
            path.unlink()
            raise _changed(path, self.made_by) from error

    def publish(self, count: int, known: Mapping[int, PartInfo] | None = None) -> Parts:
        """Put `count` finished parts in the place of the table that was there.

        Args:
            count: of the parts.
            known: what `info` returned of parts, by number; the others are read.

        Raises:
            SkipcastError: a part is not finished, or damaged.
        """
        known = known or {}
        infos = tuple(known.get(number) or self.info(number) for number in range(count))
        keep_only(self.place, {_name(number) for number in range(count)})
        manifest = Manifest(parts=infos)
        write_json(self.place / MANIFEST, manifest.model_dump())
        old = self.folder.with_name(f".{self.folder.name}.old")
        discard(old)
        if self.folder.exists():
            os.replace(self.folder, old)  # noqa: PTH105 (Path.replace returns what nobody needs)
        os.replace(self.place, self.folder)  # noqa: PTH105
        discard(old)
        (self.folder / RUN).unlink()
        return Parts(self.folder, self.made_by, manifest)

    def info(self, number: int) -> PartInfo:
        """Return what a finished part is; errors as `read`."""
        path = existing(self.place / _name(number), made_by=self.made_by)
        try:
            rows = pq.read_metadata(path).num_rows
        except pa.ArrowException as error:
            path.unlink()
            raise _changed(path, self.made_by) from error
        return PartInfo(rows=rows, hash=hash_file(path))


def write_parts(folder: Path, tables: "Iterable[pd.DataFrame]", *, made_by: str) -> Parts:
    """Write a table whose parts are at hand in place of what is there.

    Args:
        folder: of the table.
        tables: one for each part.
        made_by: the stage that makes it.

    >>> import tempfile, pandas as pd
    >>> with tempfile.TemporaryDirectory() as place:
    ...     tables = (pd.DataFrame({"tempo": [n, n + 1.0]}) for n in (90, 120))
    ...     parts = write_parts(Path(place, "tracks"), tables, made_by="fetch")
    ...     len(parts), parts.rows, parts.whole()["tempo"].tolist()
    (2, 4, [90.0, 91.0, 120.0, 121.0])
    """
    discard(Draft(folder, made_by).place)
    draft = Draft.open(folder, made_by=made_by, run="")
    count = 0
    for number, table in enumerate(tables):
        draft.write(number, table)
        count = number + 1
    return draft.publish(count)


def cut(table: "pd.DataFrame", rows: int = PART_ROWS) -> "Iterator[pd.DataFrame]":
    """Yield a table that is sorted by session in parts of whole sessions.

    Args:
        table: column session_id, or more.
        rows: a part ends with the first whole session that makes it as long.

    >>> import pandas as pd
    >>> [len(part) for part in cut(pd.DataFrame({"session_id": [*"aabbc"]}), rows=3)]
    [4, 1]
    """
    ids = table["session_id"]
    starts = [*(ids != ids.shift()).to_numpy().nonzero()[0].tolist(), len(table)]
    first = 0
    for start in starts[1:]:
        if start - first >= rows or start == len(table):
            yield table.iloc[first:start].reset_index(drop=True)
            first = start


def _name(number: int) -> str:
    return f"part-{number:05}.parquet"


def _changed(path: Path, made_by: str) -> SkipcastError:
    return SkipcastError(
        f"{path} must be as the stage {made_by} wrote it but was changed, is damaged or is of "
        f"another run. `dvc repro --force {made_by}` makes it again."
    )
