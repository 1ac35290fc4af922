"""A column of texts in which each text is there once: what is done for each is done once."""

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import pandas as pd

from skipcast.arrays import Array, Indices

SMALL = 1000  # values; for so few, Python's own dicts and lists are faster than pandas


@dataclass(slots=True)
class Distinct:
    """A column of texts, None where null, in which each text is there once.

    Args:
        numbers: place in `texts` of each value; negative ones count from the end.
        texts: in order of their first row; None is where it comes first, or last.
    """

    numbers: Indices
    texts: list[str | None]
    ndim: ClassVar[int] = 1

    @classmethod
    def of(cls, values: "list[str | None] | pd.Series[Any]") -> "Distinct":
        """Return a column of texts.

        >>> Distinct.of(["b", "a", None, "b"])
        Distinct(numbers=array([0, 1, 2, 0]), texts=['b', 'a', None])
        """
        if isinstance(values, list) and len(values) <= SMALL:
            distinct = [*dict.fromkeys(values)]
            number = dict(zip(distinct, range(len(distinct)), strict=True))
            numbers = np.fromiter(map(number.__getitem__, values), np.intp, len(values))
            return cls(numbers, distinct)
        codes, texts = pd.factorize(
            np.array(values, object) if isinstance(values, list) else values
        )
        return cls(codes, [*texts.tolist(), *([None] if codes.min() < 0 else [])])

    @property
    def size(self) -> int:
        """The number of values."""
        return self.numbers.size

    def objects(self) -> Array:
        """Return the values."""
        return np.array(self.texts, object).take(self.numbers)

    def tolist(self) -> list[str | None]:
        """Return the values."""
        values: list[str | None] = self.objects().tolist()
        return values
