"""A model in a process of its own, which runs it with the code that the model brings."""

import json
import subprocess
import sys
import tempfile
from contextlib import suppress
from pathlib import Path
from threading import Lock
from typing import IO, TYPE_CHECKING, Any, Literal, cast

import pyarrow as pa

from skipcast.clients.scorer import CHANGED
from skipcast.clients.summaries import Summary
from skipcast.errors import SkipcastError
from skipcast.mlflow_store.place import BRING_BACK
from skipcast.processes import LIMIT, ProcessKilledError, killed
from skipcast.reading.columns import ARROW_TYPES
from skipcast.schema import ANSWER

if TYPE_CHECKING:  # the parent of a batch prediction starts faster without
    import pandas as pd

PROGRAM = Path(__file__).with_name("scorer.py")
ARROW_ANSWER = pa.schema([(column.name, ARROW_TYPES[column.type]) for column in ANSWER])
"""The columns of an answer as Arrow has them."""


class ChangedFilesError(SkipcastError):
    """The model that was to answer is not the one that was registered."""


class ModelProcess:
    """A process that has loaded a model; a context manager, which ends the process.

    Args:
        model: MLflow's name of the model.
        task: what it does: only `score` or only `explain` may be called.
        history: whether `score` answers plays that have ended, too.
        summary: whether `score` returns summaries.
        copies: folder for a copy of the model, for several processes of one model.
    """

    def __init__(
        self,
        model: str,
        task: Literal["score", "explain"],
        *,
        history: bool = False,
        summary: bool = False,
        copies: Path | None = None,
    ) -> None:
        self._model, self._task = model, task
        self._own = tempfile.TemporaryDirectory(prefix="skipcast.")
        options = {
            "model": model,
            "task": task,
            "copies": str(copies or self._own.name),
            "history": history,
            "summary": summary,
            "answer": {field.name: str(field.type) for field in ARROW_ANSWER},
        }
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115 (closed on exit)
        self._process = subprocess.Popen(
            # -P: the folder of the program must not hide the package that the model brings.
            [sys.executable, "-P", PROGRAM, json.dumps(options)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
        )
        self._stdin = cast(IO[bytes], self._process.stdin)
        self._stdout = cast(IO[bytes], self._process.stdout)
        self._writer: Any = None
        self._reader: Any = None
        self._lock = Lock()
        self._is_loaded = False

    def __enter__(self) -> "ModelProcess":
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.wait()
        for file in (self._stdin, self._stdout, self._errors):
            with suppress(BrokenPipeError):  # what it has not read is of no more use
                file.close()
        self._own.cleanup()

    def score(self, plays: pa.RecordBatch) -> tuple[pa.RecordBatch, Summary | None]:
        """Score plays of whole sessions; the columns must be the same at each call.

        Returns:
            A row for each play, columns `schema.ANSWER`; and what `SkipModel.summarise` returns,
            None unless summaries were asked for.

        Raises:
            SkipcastError: the model does not load, or refuses the plays.
        """
        try:
            if self._writer is None:
                self._writer = pa.ipc.new_stream(self._stdin, plays.schema)
            self._writer.write_batch(plays)
            self._stdin.flush()
            if self._reader is None:
                self._reader = pa.ipc.open_stream(self._stdout)
            answer, metadata = self._reader.read_next_batch_with_custom_metadata()
        except (OSError, pa.ArrowInvalid, StopIteration) as error:
            raise self._failure() from error
        _tell(metadata["note"].decode())
        return answer, json.loads(metadata["summary"])

    def explain(self, plays: "pd.DataFrame") -> "pd.DataFrame":
        """Return what each feature adds to the log-odds of each play, as `SkipModel.explain` does.

        Threads may call it at the same time; the process answers one after the other.

        Raises:
            SkipcastError: the model does not load, or refuses the plays.
        """
        import pandas as pd

        self.load()
        with self._lock:
            try:
                self._stdin.write(f"{plays.to_json(orient='split', index=False)}\n".encode())
                self._stdin.flush()
            except OSError as error:
                raise self._failure() from error
            table = self._read_line()
        if "message" in table:
            raise SkipcastError(table["message"])
        return pd.DataFrame(table["data"], columns=table["columns"])

    def load(self) -> None:
        """Wait until a process that explains has loaded its model.

        Raises:
            SkipcastError: the model does not load.
        """
        with self._lock:
            if not self._is_loaded:
                _tell(self._read_line()["note"])
                self._is_loaded = True

    def _read_line(self) -> dict[str, Any]:
        try:
            line: dict[str, Any] = json.loads(self._stdout.readline())
        except ValueError as error:  # of an empty line: there is nothing more to read
            raise self._failure() from error
        return line

    def _failure(self) -> SkipcastError:
        """Return the error of a process that has ended: its last line of errors is the reason."""
        with suppress(OSError):  # a process that has not ended does when there is nothing to read
            self._stdin.close()
        code = self._process.wait()
        if reason := killed(code):
            return ProcessKilledError(
                f"{self._model} must {self._task} the plays but its process {reason}. Run the "
                f"command again; {LIMIT}=1 before it lets fewer processes compute at once."
            )
        self._errors.seek(0)
        lines = self._errors.read().decode(errors="replace").strip().splitlines()
        last = lines[-1] if lines else ""
        if code == CHANGED:
            return ChangedFilesError(f"{last} {BRING_BACK}.")
        return SkipcastError(f"{self._model} must {self._task} the plays but does not: {last}")


def _tell(note: str | None) -> None:
    if note:
        sys.stderr.write(f"Warning: {note}\n")
