"""Columns of plays as numbers, from a table (a data frame) or a request (a stack)."""

from collections.abc import Iterator, Mapping
from datetime import date
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from skipcast.arrays import Floats, Indices
from skipcast.features.memo import Memo
from skipcast.schema import CODES


class Layout(dict[str, int]):
    """The places of columns in a stack, by name.

    >>> Layout(("tempo", "mode"))
    {'tempo': 0, 'mode': 1}
    """

    def __init__(self, names: tuple[str, ...]) -> None:
        super().__init__(zip(names, range(len(names)), strict=True))
        # By names, their places: what asks for many columns asks for the same each time.
        self.of: Memo[tuple[str, ...], Indices] = Memo(
            lambda names: np.array([self[name] for name in names], np.intp)
        )


class Stack(Mapping[str, Floats]):
    """Columns of numbers as the rows of one matrix: many are read, or put in order, in one go.

    Args:
        layout: the places of the columns.
        numbers: columns x plays.

    >>> stack = Stack(Layout(("tempo", "mode")), np.array([[90.0, 120.0], [0.0, 1.0]]))
    >>> stack["mode"], stack.rows(("mode", "tempo")).tolist()
    (array([0., 1.]), [[0.0, 1.0], [90.0, 120.0]])
    """

    __slots__ = ("layout", "numbers")

    def __init__(self, layout: Layout, numbers: Floats) -> None:
        self.layout = layout
        self.numbers = numbers

    def __getitem__(self, name: str) -> Floats:
        """Return a column: a value per play."""
        column: Floats = self.numbers[self.layout[name]]
        return column

    def __iter__(self) -> Iterator[str]:
        """Return the names of the columns."""
        return iter(self.layout)

    def __len__(self) -> int:
        """Return the number of columns."""
        return len(self.layout)

    def rows(self, names: tuple[str, ...]) -> Floats:
        """Return columns one below the other: columns x plays."""
        return self.numbers.take(self.layout.of[names], axis=0)


class Columns:
    """The columns of plays as numbers: flags are 0 or 1, texts their codes, NaN where missing.

    `date` is the day of the week, Monday 0. A text without a code is NaN. A column of texts may
    also hold their codes already, as the server's do: for few plays it is faster to look up each
    text alone.

    Args:
        plays: a table of plays, or its columns as arrays by name.
        rows: those to read.

    >>> Columns({"mode": np.array(["major", "minor", None], object)})["mode"]
    array([ 1.,  0., nan])
    """

    def __init__(
        self,
        plays: pd.DataFrame | Mapping[str, npt.NDArray[np.generic]],
        rows: slice | Indices = slice(None),
    ) -> None:
        self._plays = plays
        self._rows = rows
        self._stack: Stack | None = None
        if isinstance(plays, Stack):
            numbers = plays.numbers
            chosen = numbers[:, rows] if isinstance(rows, slice) else numbers.take(rows, axis=1)
            self._stack = Stack(plays.layout, chosen)
        self._numbers: dict[str, Floats] = {}
        self._matrices: dict[tuple[str, ...], Floats] = {}

    def __getitem__(self, name: str) -> Floats:
        """Return a column as numbers: a value per play."""
        numbers = self._numbers.get(name)
        if numbers is None:
            numbers = self._numbers[name] = _numbers(name, self.raw(name))
        return numbers

    def raw(self, name: str) -> Any:
        """Return a column as it is in `plays`: a numpy or pandas array."""
        column = self._plays[name]
        return getattr(column, "array", column)[self._rows]

    def matrix(self, names: tuple[str, ...]) -> Floats:
        """Return columns side by side: plays x columns."""
        matrix = self._matrices.get(names)
        if matrix is None:
            # Row after row in memory: then numpy sums a play's values in the same order, always.
            matrix = self._matrices[names] = np.ascontiguousarray(self.rows(names).T)
        return matrix

    def rows(self, names: tuple[str, ...]) -> Floats:
        """Return columns one below the other: columns x plays."""
        if self._stack is not None:
            return self._stack.rows(names)
        return np.array([self[name] for name in names])


def _numbers(name: str, values: Any) -> Floats:
    if values.dtype == np.float64 or (name != "date" and name not in CODES):
        return np.asarray(values, np.float64)
    places, texts = pd.factorize(values)  # -1 is a missing text: it takes the NaN at the end
    return np.array([*(code(name, text) for text in texts), np.nan])[places]


def code(name: str, text: str) -> float:
    """Return the code of a text: its place in `schema.CODES`, NaN if it is not there.

    Args:
        name: of the column; for `date` the code is the day of the week, Monday 0.
        text: of a play.

    >>> code("mode", "major"), code("date", "2018-07-15"), code("mode", "dorian")
    (1.0, 6.0, nan)
    """
    if name == "date":
        return _weekday(text)
    return float(CODES[name].index(text)) if text in CODES[name] else np.nan


def _weekday(text: str) -> float:
    try:
        return float(date.fromisoformat(text).weekday())
    except ValueError:
        return np.nan
