"""Batch prediction: files of plays, of any size, through the model that the server serves."""

import gzip
from bisect import bisect_right
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from queue import SimpleQueue
from typing import IO, cast

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import rich.progress
from pyarrow import csv

from skipcast.archive.csv_files import open_tables, progress, read_batches, read_header
from skipcast.clients.model_process import ARROW_ANSWER, ModelProcess, Summary
from skipcast.errors import SkipcastError
from skipcast.files import replacing
from skipcast.processes import cpu_count
from skipcast.schema import INPUTS

BLOCK = 1 << 14  # plays scored at a time, at most; whole sessions
FORMATS = (".csv", ".csv.gz", ".parquet")


@dataclass
class Outcome:
    """What a batch prediction did."""

    plays: int = 0
    scored: int = 0
    summaries: list[Summary] = field(default_factory=list)  # of each block, if asked for


def predict(
    source: Path, target: Path, model: str, *, history: bool = False, summary: bool = False
) -> Outcome:
    """Score the plays of `source`; write a row for each to `target`, which is whole or not there.

    Args:
        source: `.csv`, `.csv.gz` or `.parquet`; columns as the server takes them, each session in
            one run of rows.
        target: one of the same formats, by its name.
        model: MLflow's name of the model.
        history: also score plays that have ended.
        summary: also return what `SkipModel.summarise` does, of each block.

    Raises:
        SkipcastError: a file has another format, is not there or damaged; the model is not there or
            refuses the plays, or none of them is to be scored.
    """
    for path in (source, target):
        if not path.name.endswith(FORMATS):
            raise SkipcastError(f"{path} must end in {', '.join(FORMATS)} but does not. Rename it.")
    if not source.is_file():
        raise SkipcastError(f"{source} must be a file but is not there. Correct --input.")
    outcome = Outcome()
    with replacing(target) as temporary, ExitStack() as stack:
        write = stack.enter_context(_writer(temporary))
        scored = score(_read(source), model, history=history, summary=summary)
        for answer, block_summary in stack.enter_context(closing(scored)):
            write(answer)
            outcome.plays += answer.num_rows
            outcome.scored += answer.num_rows - answer["skip_probability"].null_count
            outcome.summaries += [] if block_summary is None else [block_summary]
        if not outcome.plays:
            raise SkipcastError(f"{source} must hold plays but holds none. Correct --input.")
        if not outcome.scored:
            raise SkipcastError(
                f"{source} must have a play to score, one without skip_2, but its {outcome.plays} "
                "plays have all ended. Add --score-history to score these, too."
            )
    return outcome


def _read(source: Path) -> Iterator[pa.Table]:
    if source.name.endswith(".parquet"):
        try:
            file = pq.ParquetFile(source)
            batches = file.iter_batches(batch_size=BLOCK)
            steps = -(-file.metadata.num_rows // BLOCK)
            for batch in rich.progress.track(batches, source.name, steps, **progress()):
                yield pa.Table.from_batches([batch])
        except (pa.ArrowInvalid, OSError) as error:
            raise SkipcastError(f"{source} must be Parquet but is not: {error}.") from error
        return
    for name, stream in open_tables(source):
        header = read_header(name, stream)
        unknown = [column for column in header if column not in {c.name for c in INPUTS}]
        if unknown:
            raise SkipcastError(
                f"{name} must have columns of the log or of tracks but has {unknown[0]!r}. "
                "docs/serving.md lists them."
            )
        yield from read_batches(name, stream, tuple(c for c in INPUTS if c.name in header), header)


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

    def score_one(block: pa.RecordBatch) -> tuple[pa.RecordBatch, Summary | None]:
        process = idle.get()
        try:
            return process.score(block)
        finally:
            idle.put(process)

    with ExitStack() as stack, ThreadPoolExecutor(count) as pool:
        waiting: deque[Future[tuple[pa.RecordBatch, Summary | None]]] = deque()
        for number, block in enumerate(blocks(tables)):
            if number < count:  # a small file needs one process, a damaged one none
                process = ModelProcess(model, "score", history=history, summary=summary)
                idle.put(stack.enter_context(process))
            waiting.append(pool.submit(score_one, block))
            if len(waiting) > 2 * count:  # what is read ahead stays in memory
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


@contextmanager
def _writer(target: Path) -> Iterator[Callable[[pa.RecordBatch], None]]:
    if target.suffix == ".parquet":
        with pq.ParquetWriter(target, ARROW_ANSWER, compression="zstd") as parquet:
            yield parquet.write_batch
        return
    options = csv.WriteOptions(quoting_style="needed")
    with ExitStack() as stack:
        file: IO[bytes] = stack.enter_context(target.open("wb"))
        if target.suffix == ".gz":
            packed = gzip.GzipFile(fileobj=file, mode="wb", compresslevel=1)
            file = cast(IO[bytes], stack.enter_context(packed))
        yield stack.enter_context(csv.CSVWriter(file, ARROW_ANSWER, write_options=options)).write
