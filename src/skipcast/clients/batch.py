"""Batch prediction: files of plays, of any size, through the model that the server serves."""

import gzip
import json
import os
import subprocess
import sys
import tempfile
from bisect import bisect_right
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from queue import SimpleQueue
from typing import IO, Any, cast

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import rich.progress
from pyarrow import csv

from skipcast.archive.csv_files import open_tables, progress, read_batches, read_header
from skipcast.clients.scorer import ANSWER
from skipcast.errors import SkipcastError
from skipcast.files import replacing
from skipcast.schema import INPUTS

BLOCK = 1 << 14  # plays scored at a time, at most; whole sessions
FORMATS = (".csv", ".csv.gz", ".parquet")
WORKER = Path(__file__).with_name("scorer.py")

Told = dict[str, Any]


@dataclass
class Outcome:
    """What a batch prediction did."""

    plays: int = 0
    scored: int = 0
    told: list[Told] = field(default_factory=list)  # of each block, if a summary was asked for


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
        summary: also tell what `SkipModel.summarise` does, of each block.

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
        score = stack.enter_context(_workers(model, history=history, summary=summary))
        for answer, told in score(_blocks(_read(source))):
            write(answer)
            outcome.plays += answer.num_rows
            outcome.scored += answer.num_rows - answer["skip_probability"].null_count
            outcome.told += [told] if summary else []
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


def _blocks(tables: Iterator[pa.Table]) -> Iterator[pa.RecordBatch]:
    """Cut tables into blocks of whole sessions: at most `BLOCK` plays, or one longer session."""
    held: list[pa.Table] = []
    for table in tables:
        held.append(table)
        if sum(part.num_rows for part in held) > BLOCK:
            whole = pa.concat_tables(held).combine_chunks()
            edges = [0, *_edges(whole)]
            for start, stop in pairwise(edges):
                yield whole.slice(start, stop - start).to_batches()[0]
            held = [whole.slice(edges[-1])]
    if held:
        yield pa.concat_tables(held).combine_chunks().to_batches()[0]


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


@contextmanager
def _workers(
    model: str, *, history: bool, summary: bool
) -> Iterator[Callable[[Iterator[pa.RecordBatch]], Iterator[tuple[pa.RecordBatch, Told]]]]:
    """Yield a function that scores blocks, in their order, in a process per core."""
    count = os.cpu_count() or 1
    free: SimpleQueue[_Worker] = SimpleQueue()
    with ExitStack() as stack, ThreadPoolExecutor(count) as pool:

        def one(block: pa.RecordBatch) -> tuple[pa.RecordBatch, Told]:
            worker = free.get()
            try:
                return worker.score(block)
            finally:
                free.put(worker)

        def all_(blocks: Iterator[pa.RecordBatch]) -> Iterator[tuple[pa.RecordBatch, Told]]:
            waiting: deque[Future[tuple[pa.RecordBatch, Told]]] = deque()
            for number, block in enumerate(blocks):
                if number < count:  # a small file needs one process, a damaged one none
                    free.put(stack.enter_context(_Worker(model, history, summary)))
                waiting.append(pool.submit(one, block))
                if len(waiting) > 2 * count:  # what is read ahead stays in memory
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()

        yield all_


class _Worker:
    """A process that scores blocks with a model."""

    def __init__(self, model: str, history: bool, summary: bool) -> None:
        self._model = model
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115 (closed on exit)
        self._process = subprocess.Popen(
            # -P: the folder of the script must not shadow the package that the model brings.
            [sys.executable, "-P", WORKER, model, str(int(history)), str(int(summary))],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
        )
        self._writer: Any = None
        self._reader: Any = None

    def __enter__(self) -> "_Worker":
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.wait()
        for file in (self._process.stdin, self._process.stdout, self._errors):
            with suppress(BrokenPipeError):  # what it has not read is of no more use
                cast(IO[bytes], file).close()

    def score(self, block: pa.RecordBatch) -> tuple[pa.RecordBatch, Told]:
        stdin, stdout = cast(IO[bytes], self._process.stdin), self._process.stdout
        try:
            if self._writer is None:
                self._writer = pa.ipc.new_stream(stdin, block.schema)
            self._writer.write_batch(block)
            stdin.flush()
            if self._reader is None:
                self._reader = pa.ipc.open_stream(stdout)
            answer, metadata = self._reader.read_next_batch_with_custom_metadata()
        except (OSError, pa.ArrowInvalid, StopIteration) as error:
            raise SkipcastError(self._explain()) from error
        return answer, json.loads(metadata["summary"])

    def _explain(self) -> str:
        self._process.wait()
        self._errors.seek(0)
        lines = self._errors.read().decode(errors="replace").strip().splitlines()
        return f"{self._model} must score the plays but does not: {lines[-1] if lines else ''}"


@contextmanager
def _writer(target: Path) -> Iterator[Callable[[pa.RecordBatch], None]]:
    if target.suffix == ".parquet":
        with pq.ParquetWriter(target, ANSWER, compression="zstd") as parquet:
            yield parquet.write_batch
        return
    options = csv.WriteOptions(quoting_style="needed")
    with ExitStack() as stack:
        file: IO[bytes] = stack.enter_context(target.open("wb"))
        if target.suffix == ".gz":
            packed = gzip.GzipFile(fileobj=file, mode="wb", compresslevel=1)
            file = cast(IO[bytes], stack.enter_context(packed))
        yield stack.enter_context(csv.CSVWriter(file, ANSWER, write_options=options)).write
