"""Files of answers, in the format of their names."""

import gzip
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import IO, cast

import pyarrow as pa
import pyarrow.parquet as pq
from pyarrow import csv

from skipcast.clients.model_process import ARROW_ANSWER
from skipcast.errors import SkipcastError

FORMATS = (".csv", ".csv.gz", ".parquet")


def check_format(path: Path) -> None:
    """Check that a file's name says how to read or write it.

    Raises:
        SkipcastError: it does not.
    """
    if not path.name.lower().endswith(FORMATS):
        raise SkipcastError(f"{path} must end in {', '.join(FORMATS)} but does not. Rename it.")


@contextmanager
def writer(target: Path) -> Iterator[Callable[[pa.RecordBatch], None]]:
    """Yield what writes answers to a file, in the format of its name."""
    if target.suffix.lower() == ".parquet":
        with pq.ParquetWriter(target, ARROW_ANSWER, compression="zstd") as parquet:
            yield parquet.write_batch
        return
    options = csv.WriteOptions(quoting_style="needed")
    with ExitStack() as stack:
        file: IO[bytes] = stack.enter_context(target.open("wb"))
        if target.suffix.lower() == ".gz":
            packed = gzip.GzipFile(fileobj=file, mode="wb", compresslevel=1)
            file = cast(IO[bytes], stack.enter_context(packed))
        yield stack.enter_context(csv.CSVWriter(file, ARROW_ANSWER, write_options=options)).write
