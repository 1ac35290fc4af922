"""Files that are whole or not there, written beside their place and then moved; and tables."""

import errno
import fcntl
import hashlib
import io
import json
import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq
from pyarrow import csv

from skipcast.column import Column
from skipcast.errors import SkipcastError
from skipcast.reading.columns import ARROW_TYPES
from skipcast.reading.csv_text import FLAGS
from skipcast.schema import names
from skipcast.storage import is_remote, upload

if TYPE_CHECKING:  # `skipcast predict` starts faster without
    import numpy as np
    import pandas as pd


PACKAGE = Path(__file__).parent
UNFINISHED = ".unfinished-"  # in the name of a folder for what is being written


def csv_conversion(columns: Iterable[Column]) -> csv.ConvertOptions:
    """Return how to read `columns`, and nothing else, from CSV that has each in its type."""
    columns = tuple(columns)
    return csv.ConvertOptions(
        column_types={column.name: ARROW_TYPES[column.type] for column in columns},
        include_columns=names(columns),
        null_values=[""],
        strings_can_be_null=True,
        **FLAGS,
    )


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield a temporary path; on success it becomes `path`, on any failure `path` stays as it was.

    >>> with tempfile.TemporaryDirectory() as folder:
    ...     with replacing(Path(folder, "a.txt")) as temporary:
    ...         _ = temporary.write_text("whole")
    ...     Path(folder, "a.txt").read_text()
    'whole'
    """
    if is_remote(path):
        with tempfile.TemporaryDirectory(prefix="skipcast.") as remote:
            temporary = Path(remote, path.name)
            yield temporary
            upload(temporary, path)
        return
    with unfinished(path) as folder:
        temporary = folder / path.name
        yield temporary
        os.replace(temporary, path)  # noqa: PTH105 (Path.replace returns a path nobody needs)


@contextmanager
def unfinished(path: Path) -> Iterator[Path]:
    """Yield a hidden folder beside `path` for what comes there, and delete it.

    Whoever begins one deletes those that kills have left beside it. A lock tells them from those
    that are in use: it ends with the process that holds it, however that ends.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    for left in path.parent.glob(f".*{UNFINISHED}*"):
        with _locked(left, fcntl.LOCK_EX | fcntl.LOCK_NB) as is_left:
            if is_left:
                shutil.rmtree(left, ignore_errors=True)
    with ExitStack() as stack:
        is_ours = False
        while not is_ours:  # another may take it for left, in the moment before it is locked
            name = tempfile.mkdtemp(prefix=f".{path.name}{UNFINISHED}", dir=path.parent)
            stack.callback(shutil.rmtree, name, ignore_errors=True)
            stack.enter_context(_locked(Path(name), fcntl.LOCK_EX))
            is_ours = Path(name).exists()
        yield Path(name)


@contextmanager
def _locked(folder: Path, how: int) -> Iterator[bool]:
    """Lock a folder; yield whether that succeeded, as it does not on some networks."""
    with ExitStack() as stack:
        try:
            opened = os.open(folder, os.O_RDONLY)
            stack.callback(os.close, opened)
            fcntl.flock(opened, how)
        except OSError:  # in use, deleted meanwhile, another user's
            is_locked = False
        else:
            is_locked = True
        yield is_locked


@contextmanager
def disk_errors() -> Iterator[None]:
    """Raise the errors of a full disk and of missing rights as ones that a user can mend."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            raise _no_room(error) from error
        # Arrow names the file in its text alone; what names none is no file's.
        if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS) and (
            error.filename or "local file" in str(error)
        ):
            raise SkipcastError(
                f"{error.filename or 'Each file'} must be open to this user but is not: "
                f"{error.strerror}. Correct its owner, its rights or its place."
            ) from error
        raise


def _no_room(error: OSError) -> SkipcastError:
    too_large = error.errno == errno.EFBIG
    why = "`ulimit -f` allows no file so large" if too_large else "is full"
    return SkipcastError(
        f"The disk must have room for {error.filename or 'what is written'} but {why}. "
        "Make room, then `dvc repro`: what is finished is kept."
    )


def existing(path: Path, *, made_by: str) -> Path:
    """Return `path`.

    Raises:
        SkipcastError: there is no such file; the message names the stage that makes it.
    """
    if not path.is_file():
        raise SkipcastError(f"{path} must be there but is not. `dvc repro {made_by}` makes it.")
    return path


def hash_file(path: Path) -> str:
    """Return the SHA-256 of a file's content.

    >>> with tempfile.TemporaryDirectory() as folder:
    ...     _ = Path(folder, "a.txt").write_text("whole")
    ...     hash_file(Path(folder, "a.txt"))[:8]
    '5d5766cf'
    """
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def hash_bytes(content: bytes) -> str:
    """Return the SHA-256 of bytes.

    >>> hash_bytes(b"whole")[:8]
    '5d5766cf'
    """
    return hashlib.sha256(content).hexdigest()


def hash_json(content: object) -> str:
    """Return the SHA-256 of what JSON can hold, whatever the order of its keys.

    >>> hash_json({"a": 1, "b": 2}) == hash_json({"b": 2, "a": 1})
    True
    """
    return hash_bytes(json.dumps(content, sort_keys=True).encode())


def hash_code(*entries: str) -> dict[str, str]:
    """Return the SHA-256 of each file of code and of its constants, by its place in the package.

    Args:
        entries: files and folders of the package.

    >>> [*hash_code("errors.py")]
    ['errors.py']
    """
    places = [PACKAGE / entry for entry in entries]
    every = (f for place in places for f in ([place] if place.is_file() else place.rglob("*")))
    files = sorted(file for file in every if file.suffix in (".py", ".json"))
    return {str(file.relative_to(PACKAGE)): hash_file(file) for file in files}


def write_json(path: Path, content: object) -> None:
    """Write `content` to `path` as indented JSON."""
    with replacing(path) as temporary:
        temporary.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


def write_array(path: Path, array: "np.ndarray[Any, Any]") -> None:
    """Write `array` to `path` as `.npy`.

    numpy's own writing to a file says nothing where a full disk cuts off the end of a small array.
    """
    import numpy as np

    content = io.BytesIO()
    np.save(content, array)
    path.write_bytes(content.getbuffer())


def write_parquet(path: Path, table: "pd.DataFrame") -> None:
    """Write `table` to `path`, without its index; equal tables give equal bytes."""
    rows = pa.Table.from_pandas(table, preserve_index=False)
    numbers = [field.name for field in rows.schema if pa.types.is_floating(field.type)]
    with replacing(path) as temporary:
        pq.write_table(
            rows,
            temporary,
            compression="zstd",
            # A dictionary of numbers that are mostly different takes twice the time to write.
            use_dictionary=[name for name in rows.column_names if name not in numbers],
            use_byte_stream_split=numbers,
        )


def read_parquet(path: Path, *, made_by: str) -> "pd.DataFrame":
    """Read `path` as a table.

    Raises:
        SkipcastError: there is no such file, or it is damaged; the message names the stage that
            makes it.
    """
    import pandas as pd

    with _damage_told(path, made_by):
        return pd.read_parquet(existing(path, made_by=made_by))


def read_batches(path: Path, rows: int, *, made_by: str) -> "Iterator[pd.DataFrame]":
    """Read `path` as tables of `rows` rows, one after the other.

    Raises:
        SkipcastError: as of `read_parquet`.
    """
    with _damage_told(path, made_by), pq.ParquetFile(existing(path, made_by=made_by)) as file:
        for batch in file.iter_batches(rows):
            yield batch.to_pandas()


def count_rows(path: Path, *, made_by: str) -> int:
    """Return the number of rows of `path`.

    Raises:
        SkipcastError: as of `read_parquet`.
    """
    with _damage_told(path, made_by):
        return int(pq.read_metadata(existing(path, made_by=made_by)).num_rows)


def check_columns(path: Path, columns: Iterable[str], *, made_by: str) -> None:
    """Check that the table at `path` has all `columns`.

    Raises:
        SkipcastError: it lacks one, as of another version of skipcast; or as of `read_parquet`.
    """
    with _damage_told(path, made_by):
        found = pq.read_schema(existing(path, made_by=made_by)).names
    if missing := [name for name in columns if name not in found]:
        raise SkipcastError(
            f"{path} must have all columns that the stage {made_by} writes but lacks "
            f"{', '.join(missing)}. `dvc repro --force {made_by}` makes it again."
        )


@contextmanager
def _damage_told(path: Path, made_by: str) -> Iterator[None]:
    try:
        yield
    except pa.ArrowException as error:
        raise SkipcastError(
            f"{path} must be whole Parquet but is damaged: {error}. "
            f"`dvc repro --force {made_by}` makes it again."
        ) from error
