"""The plays that a search learns from and validates on: a sample in memory, or all, part by part.

A sample is of whole sessions, chosen by a hash of their ids. So it is the same however the plays
are cut into parts, and a larger one holds a smaller one.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from skipcast.arrays import Bools, Indices, Matrix
from skipcast.errors import SkipcastError
from skipcast.features.table import KEY_COLUMNS, LEADING_COLUMNS, PART, SKIPPED, feature_columns
from skipcast.models.family import Dataset
from skipcast.parts import Parts
from skipcast.schema import Part
from skipcast.search.spec import Job
from skipcast.sessions import hash_sessions

SESSION, POSITION = KEY_COLUMNS


@dataclass(frozen=True)
class Plays:
    """The plays that train and those that validate."""

    columns: list[str]  # names of the features
    train: Dataset
    validation: Dataset


def takes_all(job: Job) -> bool:
    """Tell whether trials use all plays that train or validate, and not a sample of them."""
    return _share(job, Parts.read(job.features, made_by="features"), job.params.search.plays) >= 1


def read_sample(job: Job, plays: int) -> Plays:
    """Read about `plays` of the plays that train or validate into memory; what tests stays out.

    Raises:
        SkipcastError: those that train, or those that validate, are all skipped or all not.
    """
    choice = _Choice.of(job, plays)
    found = choice.find()
    # Column after column in memory, as a table is.
    shape = len(choice.columns)
    matrices = {
        part: np.empty((sum(kept.rows), shape), np.float32, order="F")
        for part, kept in found.items()
    }
    for number in range(len(choice.parts)):
        table = choice.parts.part(number)
        for part, matrix in matrices.items():
            rows = found[part].rows
            end = sum(rows[: number + 1])
            matrix[end - rows[number] : end] = choice.features(table, part)
    datasets = {part: Dataset.of(matrices[part], *kept.arrays) for part, kept in found.items()}
    return Plays(choice.columns, **datasets)


def read_all(job: Job) -> Plays:
    """Return all plays that train or validate; whoever uses their features reads a part at a time.

    Raises:
        SkipcastError: as `read_sample`.
    """
    choice = _Choice.of(job, None)
    datasets = {
        part: Dataset(_Stored(choice, part), kept.rows, *kept.arrays)
        for part, kept in choice.find().items()
    }
    return Plays(choice.columns, **datasets)


def _share(job: Job, parts: Parts, plays: int) -> float:
    """Return the share of the sessions that hold about `plays` plays that train or validate."""
    return plays / max(parts.rows * (1 - job.params.split.test), 1)


@dataclass
class _Leading:
    """What is known of the plays that are taken besides their features; a value per part."""

    rows: list[int] = field(default_factory=list)
    skipped: list[Bools] = field(default_factory=list)
    sessions: list[Indices] = field(default_factory=list)
    positions: list[Indices] = field(default_factory=list)
    count: int = 0  # of sessions

    def add(self, table: pd.DataFrame) -> None:
        """Add the plays of the next part, columns `LEADING_COLUMNS`."""
        codes, sessions = pd.factorize(table[SESSION])
        self.rows.append(len(table))
        self.skipped.append(table[SKIPPED].to_numpy(dtype=bool))
        self.sessions.append(codes + self.count)
        self.positions.append(table[POSITION].to_numpy(np.intp))
        self.count += len(sessions)

    @property
    def arrays(self) -> tuple[Bools, Indices, Indices]:
        """Return which plays were skipped, their sessions and their positions."""
        return (
            np.concatenate(self.skipped),
            np.concatenate(self.sessions),
            np.concatenate(self.positions),
        )


@dataclass(frozen=True)
class _Choice:
    """Which plays of the features are taken."""

    parts: Parts
    columns: list[str]  # names of the features
    share: float  # of the sessions; 1 or more takes all
    seed: int

    @classmethod
    def of(cls, job: Job, plays: int | None) -> "_Choice":
        """Choose about `plays`; all where it is None."""
        parts = Parts.read(job.features, made_by="features")
        share = 1.0 if plays is None else _share(job, parts, plays)
        return cls(parts, feature_columns(parts.part(0)), share, job.params.search.seed)

    def rows(self, table: pd.DataFrame, part: Part) -> Bools:
        """Tell which rows of a table of features are taken and train, or validate."""
        rows = np.asarray(table[PART] == part)
        if self.share >= 1:
            return rows
        place = hash_sessions(table[SESSION], purpose="search", seed=self.seed)
        return rows & (place / 2.0**64 < self.share)

    def features(self, table: pd.DataFrame, part: Part) -> Matrix:
        """Return the features of these rows."""
        matrix: Matrix = table.loc[self.rows(table, part), self.columns].to_numpy(np.float32)
        return matrix

    def find(self) -> dict[Part, _Leading]:
        """Find the plays that are taken; what is kept of them is small."""
        found: dict[Part, _Leading] = {"train": _Leading(), "validation": _Leading()}
        for number in range(len(self.parts)):
            table = self.parts.part(number, [*LEADING_COLUMNS])
            for part, kept in found.items():
                kept.add(table[self.rows(table, part)])
        for part, kept in found.items():
            skips = sum(int(skipped.sum()) for skipped in kept.skipped)
            if not 0 < skips < sum(kept.rows):
                raise SkipcastError(
                    f"The {part} sessions must have skipped plays and others but "
                    f"{sum(kept.rows)} plays have not both. Raise search.plays or fetch.rows, or "
                    "change the shares in split."
                )
        return found


@dataclass(frozen=True)
class _Stored(Sequence[Matrix]):
    """The features of the plays that train, or validate: each part is read when asked for."""

    choice: _Choice
    part: Part

    def __len__(self) -> int:
        return len(self.choice.parts)

    def __getitem__(self, number: Any) -> Any:
        table = self.choice.parts.part(range(len(self))[number])
        return self.choice.features(table, self.part)
