"""Batch prediction: files of plays, of any size, through the model that the server serves."""

import re
import tempfile
from array import array
from bisect import bisect_right
from collections import deque
from collections.abc import Generator, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, closing
from itertools import pairwise
from pathlib import Path
from queue import SimpleQueue

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import rich.progress

from skipcast.archive.csv_files import open_file, progress
from skipcast.clients.answer_files import FORMATS, check_format, writer
from skipcast.clients.model_process import ModelProcess
from skipcast.clients.outcome import Outcome
from skipcast.clients.summaries import Summary
from skipcast.column import Column
from skipcast.errors import SkipcastError
from skipcast.files import replacing
from skipcast.parts import MANIFEST, Parts
from skipcast.processes import cpu_count
from skipcast.reading.categories import count_new
from skipcast.reading.csv_text import read_part
from skipcast.reading.headers import check_names
from skipcast.schema import INPUTS
from skipcast.storage import is_remote

BLOCK = 1 << 14  # plays scored at a time, at most; whole sessions
ROW = re.compile(r"in row (\d+)")


def predict(
    source: Path, target: Path, model: str, *, history: bool = False, summary: bool = False
) -> Outcome:
    """Score the plays of `source`; write a row for each to `target`, which is whole or not there.

    Args:
        source: `.csv`, `.csv.gz` or `.parquet`, or a folder of such, which are read in the order
            of their names; columns as the server takes them, each session in one run of rows.
        target: one of the same formats, by its name.
        model: MLflow's name of the model.
        history: also score plays that have ended.
        summary: also return what `SkipModel.summarise` does.

    Raises:
        SkipcastError: a file has another format, is not there or damaged; the model is not there or
            refuses the plays, or none of them is to be scored.
    """
    is_folder = source.is_dir()
    for path in (target,) if is_folder else (source, target):
        check_format(path)
    if not is_folder and not source.is_file():
        raise SkipcastError(f"{source} must be a file but is not there. Correct --input.")
    with replacing(target) as temporary:
        outcome = score_file(source, temporary, model, history=history, summary=summary)
        outcome.check(source)
    return outcome


def score_file(source: Path, target: Path, model: str, *, history: bool, summary: bool) -> Outcome:
    """Score the plays of `source` as `predict` does; what is written is whole when it returns."""
    outcome = Outcome()
    with ExitStack() as stack:
        write = stack.enter_context(writer(target))
        tables = _counted(read(source), outcome)
        scored = score(tables, model, history=history, summary=summary)
        for answer, block_summary in stack.enter_context(closing(scored)):
            write(answer)
            count = answer.num_rows - answer["skip_probability"].null_count
            outcome += Outcome(answer.num_rows, count, block_summary)
    return outcome


def _counted(tables: Iterable[pa.Table], outcome: Outcome) -> Iterator[pa.Table]:
    for table in tables:
        outcome.new_texts += count_new(table)
        yield table


def read(source: Path) -> Iterator[pa.Table]:
    """Yield the plays of a file or a folder in tables, in the types of `schema.INPUTS`.

    Args:
        source: as `predict` has it.

    Raises:
        SkipcastError: a file is of another kind or damaged, lacks a column or has an unknown one,
            or a value breaks the rule of its column; a folder holds none, or lacks a part.
    """
    if source.is_dir():
        yield from _read_folder(source)
        return
    if source.suffix.lower() == ".parquet":
        yield from _read_parquet(source)
        return
    header = None
    for file in open_file(source, source.name):
        if header not in (None, file.header):
            raise SkipcastError(
                f"{file.name} must have the columns of the file before it in {source} but has "
                "others. Unpack the archive and score each file."
            )
        header = file.header
        check_names(header)
        yield from file.read(_given(header), file="")


def _read_folder(folder: Path) -> Iterator[pa.Table]:
    columns: list[str] | None = None
    for file in _files(folder):
        for table in read(file):
            if columns not in (None, table.column_names):
                raise SkipcastError(
                    f"{file} must have the columns of the files before it but has others. Score "
                    "it for itself."
                )
            columns = table.column_names
            yield table


def _files(folder: Path) -> Iterator[Path]:
    """Yield the files of a folder; of a table in parts, such as data/plays, each is verified."""
    if (folder / MANIFEST).is_file():
        parts = Parts.read(folder, made_by="fetch")
        yield from map(parts.file, range(len(parts)))
        return
    files = sorted(path for path in folder.iterdir() if path.name.lower().endswith(FORMATS))
    if not files:
        raise SkipcastError(
            f"{folder} must hold files whose names end in {', '.join(FORMATS)} but holds none. "
            "Correct --input."
        )
    yield from files


def _given(header: Sequence[str]) -> tuple[Column, ...]:
    return tuple(column for column in INPUTS if column.name in header)


def _read_parquet(source: Path) -> Iterator[pa.Table]:
    first = 0
    for batch in _parquet_batches(source):
        yield pa.table(
            {c.name: read_part(c, batch, file="", first=first) for c in _given(batch.column_names)}
        )
        first += batch.num_rows


def _parquet_batches(source: Path) -> Iterator[pa.Table]:
    opened = source.open("rb") if is_remote(source) else source
    try:
        file = pq.ParquetFile(opened)
        index = (file.schema_arrow.pandas_metadata or {}).get("index_columns", [])
        columns = [name for name in file.schema_arrow.names if name not in index]
        check_names(columns)
        batches = file.iter_batches(batch_size=BLOCK, columns=columns)
        steps = -(-file.metadata.num_rows // BLOCK)
        for batch in rich.progress.track(batches, source.name, steps, **progress()):
            yield pa.Table.from_batches([batch])
    except (pa.ArrowException, OSError) as error:
        raise SkipcastError(f"{source} must be Parquet but is not: {error}.") from error


def blocks(tables: Iterable[pa.Table]) -> Iterator[pa.RecordBatch]:
    """Cut tables into blocks of whole sessions: at most `BLOCK` plays, or one longer session."""
    pending: list[pa.Table] = []
    for table in tables:
        pending.append(table)
        if sum(part.num_rows for part in pending) > BLOCK:
            whole = pa.concat_tables(pending).combine_chunks()
            edges = [0, *_edges(whole)]
            for start, stop in pairwise(edges):
                yield whole.slice(start, stop - start).to_batches()[0]
            pending = [whole.slice(edges[-1])]
    if pending:
        yield pa.concat_tables(pending).combine_chunks().to_batches()[0]


def _edges(table: pa.Table) -> list[int]:
    """Return rows that begin a session, each the last one within `BLOCK` rows where there is one.

    Without session_id, which a model refuses, any row may begin one.
    """
    starts: Sequence[int] = range(1, table.num_rows)
    if "session_id" in table.column_names:
        # Not by way of numpy: Arrow's to_numpy would import pandas, which takes half a second.
        starts = pc.run_end_encode(table["session_id"].chunk(0)).run_ends.to_pylist()[:-1]
    edges = [0]
    while table.num_rows - edges[-1] > BLOCK:
        within = bisect_right(starts, edges[-1] + BLOCK) - 1
        after = bisect_right(starts, edges[-1])
        if after == len(starts):
            break
        edges.append(starts[max(within, after)])
    return edges[1:]


def score(
    tables: Iterable[pa.Table], model: str, *, history: bool = False, summary: bool = False
) -> Generator[tuple[pa.RecordBatch, Summary | None], None, None]:
    """Yield the answers to tables of plays, in their order, scored by a process per core.

    Args:
        tables: all of the same columns; each session in one run of rows, also across tables.
        model: MLflow's name of the model.
        history: also score plays that have ended.
        summary: also yield what `SkipModel.summarise` returns for the same plays.

    Raises:
        SkipcastError: the model is not there or refuses the plays.
    """
    count = cpu_count()
    idle: SimpleQueue[ModelProcess] = SimpleQueue()

    def score_one(block: pa.RecordBatch, first: int) -> tuple[pa.RecordBatch, Summary | None]:
        process = idle.get()
        try:
            return process.score(block)
        except SkipcastError as error:
            raise _with_rows_of_file(error, first) from error
        finally:
            idle.put(process)

    first = 0  # number of plays before a block
    with ExitStack() as stack, ThreadPoolExecutor(count) as pool:
        copies = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="skipcast.")))
        waiting: deque[Future[tuple[pa.RecordBatch, Summary | None]]] = deque()
        for number, block in enumerate(once(blocks(tables))):
            if number < count:  # a small file needs one process, a damaged one none
                process = ModelProcess(
                    model, "score", history=history, summary=summary, copies=copies
                )
                idle.put(stack.enter_context(process))
            waiting.append(pool.submit(score_one, block, first))
            first += block.num_rows
            if len(waiting) > 2 * count:  # what is read ahead stays in memory
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


def once(parts: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """Pass blocks on, each session once: in two blocks it would be scored as two.

    Raises:
        SkipcastError: after the last block, if a session was in two of them.
    """
    hashes = array("q")  # 8 bytes a session; as Python's own objects they would be ten times that
    for block in parts:
        if "session_id" in block.schema.names:
            hashes.extend(map(hash, pc.unique(block["session_id"]).to_pylist()))
        yield block
    again = len(hashes) - np.unique(np.frombuffer(hashes, np.int64)).size
    if again:
        raise SkipcastError(
            f"session_id must stand in one run of rows but {again} sessions come back later. Sort "
            "the plays by session, and give each session once."
        )


def _with_rows_of_file(error: SkipcastError, first: int) -> SkipcastError:
    """Return the error of a block with the rows of the file: a model counts those of the block."""
    return type(error)(ROW.sub(lambda row: f"in row {int(row[1]) + first}", str(error)))
