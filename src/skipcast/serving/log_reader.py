"""Reads the log of a served model: its answers, each with what happened then if that is known."""

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from skipcast.serving.log_files import PATTERN
from skipcast.serving.request_log import WIDTH

KEY = ["session", "position", "check"]
ANSWER = ("at", *KEY, "probability", "known", "bins")
TYPES = {
    **dict.fromkeys(("at", "position"), np.int64),
    **dict.fromkeys(("version", "session", "check", "bins"), object),
    **dict.fromkeys(("probability", "skipped"), np.float64),
    "known": bool,
}
OUTCOMES = {"0": 0.0, "1": 1.0}


@dataclass(frozen=True)
class Log:
    """What a log holds.

    Attributes:
        answers: in order of time; columns `at` (UTC), `version`, `session`, `position`,
            `probability` (0..1), `known` (whether the model knew the track), `bins` (a text, as
            `request_log` says) and `skipped` (0, 1, or NaN where no request told it).
        features: names of the features, by version.
        broken: lines that were cut off, as by a full disk or a kill; they are left out.
        lost: lines that the server could not write.
    """

    answers: pd.DataFrame
    features: dict[str, list[str]]
    broken: int
    lost: int


def read_log(folder: Path, *, most: int | None = None) -> Log:
    """Read the files of a log; the answer that a client got last before a play ended counts.

    Args:
        folder: of the log; without any file, there are no answers.
        most: bytes that are read, the newest; None reads all.
    """
    lines = _Lines()
    left = np.inf if most is None else most
    for path in sorted(folder.glob(PATTERN), reverse=True):  # the newest first
        if left <= 0:
            break
        left -= lines.read(path, left)
    answers, outcomes = lines.tables()
    return Log(_join(answers, outcomes), lines.features, lines.broken, lines.lost)


@dataclass
class _Lines:
    """What was read so far, as columns."""

    answers: list[tuple[Any, ...]] = field(default_factory=list)
    outcomes: list[tuple[int, str, int, str, float]] = field(default_factory=list)
    features: dict[str, list[str]] = field(default_factory=dict)
    broken: int = 0
    lost: int = 0

    def read(self, path: Path, most: float) -> int:
        """Read a file, its newest bytes at most; return how many it has."""
        try:
            file = path.open("rb")
        except FileNotFoundError:  # the server has removed it meanwhile
            return 0
        with file:
            version = self._version(file.readline())
            start = file.tell()
            size = file.seek(0, os.SEEK_END) - start
            file.seek(start + max(0, size - int(min(most, size))))
            if size > most:
                file.readline()  # a part of a line
            for line in file:
                if line != b"\n":
                    self._add(version, line)
        return size

    def _version(self, header: bytes) -> str | None:
        try:
            about = json.loads(header)
            version = str(about["version"])
            self.features[version] = about["features"]
        except (ValueError, KeyError, TypeError):
            self.broken += 1
            return None
        return version

    def _add(self, version: str | None, line: bytes) -> None:
        if version is None:
            self.broken += 1
            return
        try:
            row = json.loads(line)
            if "position" in row:
                self.answers.append((version, *(row[name] for name in ANSWER)))
            elif "outcomes" in row:
                self.outcomes += _outcomes(row)
            else:
                self.lost += row["lost"]
        except (ValueError, KeyError, TypeError):
            self.broken += 1

    def tables(self) -> tuple[pd.DataFrame, pd.DataFrame]:
        """Return the answers and the outcomes, both in order of time."""
        answers = pd.DataFrame(self.answers, columns=["version", *ANSWER])
        outcomes = pd.DataFrame(self.outcomes, columns=["at", *KEY, "skipped"])
        return _sorted(answers), _sorted(outcomes)


def _sorted(table: pd.DataFrame) -> pd.DataFrame:
    table = table.astype({str(name): TYPES[str(name)] for name in table})
    return table.sort_values("at", kind="stable", ignore_index=True)


def _outcomes(row: dict[str, Any]) -> Iterator[tuple[int, str, int, str, float]]:
    text = row["outcomes"]
    first = row["last"] - len(text) // WIDTH + 1
    for i in range(0, len(text), WIDTH):
        outcome = OUTCOMES.get(text[i + WIDTH - 1])
        if outcome is not None:
            yield row["at"], row["session"], first + i // WIDTH, text[i : i + WIDTH - 1], outcome


def _join(answers: pd.DataFrame, outcomes: pd.DataFrame) -> pd.DataFrame:
    """Add to each answer the first outcome that a request told after it.

    A client may ask again before the play has ended: only the last such answer of a version gets
    the outcome.
    """
    told = outcomes.assign(told=np.arange(len(outcomes)))
    joined = pd.merge_asof(answers, told, on="at", by=KEY, direction="forward")
    is_last = ~joined.duplicated(["version", *KEY, "told"], keep="last")
    joined["skipped"] = joined["skipped"].where(is_last)
    joined["at"] = pd.to_datetime(joined["at"], unit="us", utc=True)
    return joined.drop(columns=["check", "told"])
