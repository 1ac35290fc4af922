"""What a model family is: its search space, and how its models are fitted, used and stored."""

from abc import abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

import numpy as np

from skipcast.arrays import Bools, Floats, Indices, Matrix

if TYPE_CHECKING:
    from optuna import Trial

OnRound = Callable[[float, float], None]
"""Callback after each boosting round: `on_round(learned, loss)`.

`learned` is rounds x learning rate, above 0; `loss` is the log loss on the validation plays, nats.
It may raise to end the fit; the exception then passes through `fit`.
"""
Params = dict[str, Any]
BLOCK = 1 << 16  # plays predicted at a time: in double precision, tens of megabytes
Bounds = Mapping[str, tuple[float, float]]


@dataclass(frozen=True)
class Dataset:
    """The plays of some sessions, in order of session and position.

    The features alone may be too large for memory: they are in parts, which whoever uses them reads
    one at a time. All else holds a value per play, of all parts one after another.
    """

    features: Sequence[Matrix]  # by part, plays x features, NaN where a value is missing
    rows: Sequence[int]  # plays of each part, 0 or more; known without reading it
    skipped: Bools
    sessions: Indices  # number of the play's session: 0, 1, 2, ..., each in one run of plays
    positions: Indices  # place of the play in its session: 1, 2, ...; gaps where plays are left out

    @classmethod
    def of(
        cls, features: Matrix, skipped: Bools, sessions: Indices, positions: Indices
    ) -> "Dataset":
        """Return plays whose features are one part, in memory."""
        return cls([features], [len(features)], skipped, sessions, positions)

    def parts(self) -> Iterator[tuple[Matrix, Bools]]:
        """Read one part after another: its features, and which of its plays were skipped.

        A part without plays is left out.

        >>> matrix, skipped, numbers = np.eye(3, dtype=np.float32), np.ones(3, bool), np.arange(3)
        >>> plays = Dataset([matrix[:2], matrix[2:]], [2, 1], skipped, numbers, numbers)
        >>> [(part.shape, len(target)) for part, target in plays.parts()]
        [((2, 3), 2), ((1, 3), 1)]
        """
        for number, end in enumerate(np.cumsum(self.rows)):
            if self.rows[number]:
                yield self.features[number], self.skipped[end - self.rows[number] : end]


@dataclass(frozen=True)
class Range:
    """Where a parameter is searched, from `low` to `high`, both included.

    `default` is the library's own value; if it is an int, the parameter takes whole numbers only.
    """

    low: float
    high: float
    default: float
    log: bool = False  # search evenly on a logarithmic scale

    def fault(self, low: float, high: float) -> str | None:
        """Tell why the parameter cannot be searched from `low` to `high`, or None if it can.

        >>> Range(7, 127, default=31, log=True).fault(63, 7)
        'must go from low to high but got [63, 7]'
        """
        if not low < high:
            return f"must go from low to high but got [{low:g}, {high:g}]"
        if self.log and low <= 0:
            return f"is logarithmic and must be above 0 but got [{low:g}, {high:g}]"
        if isinstance(self.default, int) and (low % 1 or high % 1):
            return f"must be of whole numbers but got [{low:g}, {high:g}]"
        return None

    def suggest(self, trial: "Trial", name: str, bounds: tuple[float, float]) -> float:
        """Return a trial's value for the parameter, from `bounds[0]` to `bounds[1]`."""
        low, high = bounds
        value: float = (
            trial.suggest_int(name, int(low), int(high), log=self.log)
            if isinstance(self.default, int)
            else trial.suggest_float(name, low, high, log=self.log)
        )
        return value


class ModelFamily(Protocol):
    """What the search and the server need of a family.

    A family is a class of its own that inherits from this one. It holds no state: what a fit needs
    is in its arguments, what it learned is in the model that it returns. What `prepare` returns and
    what a model is, each family decides for itself; nobody else looks into them.
    """

    label: ClassVar[str]  # the family's name in figures and tables, such as "LightGBM"
    space: ClassVar[Mapping[str, Range]]  # by name, the parameters that are searched
    libraries: ClassVar[tuple[str, ...]]  # packages whose version decides what a fit gives
    requires: ClassVar[tuple[str, ...]]  # packages that a server of the family needs
    boosted: ClassVar[
        bool
    ]  # whether a model is made of trees, round after round, and so calls `on_round`

    @abstractmethod
    def prepare(self, *, train: Dataset, validation: Dataset) -> Any:
        """Do once per search what all fits share, such as binning or imputing.

        Args:
            train: the plays to learn from; their features may hold NaN. Their parts are read one
                at a time, more than once where need be.
            validation: the plays that end a boosted fit early; the same features, other sessions.

        Returns:
            What `fit` takes as `data`. A fit must leave it as it was.
        """

    @abstractmethod
    def fit(self, params: Params, data: Any, *, seed: int, threads: int, on_round: OnRound) -> Any:
        """Fit a model.

        Args:
            params: a value for each parameter of `space`.
            data: what `prepare` returned.
            seed: 0..2**32-1; the same seed, params, data and threads give the same bits.
            threads: how many the fit may use, 1 or more.
            on_round: called after each boosting round; other families never call it.

        Returns:
            What the other methods take as `model`.

        Raises:
            Exception: whatever `on_round` raises.
        """

    @abstractmethod
    def predict(self, model: Any, features: Matrix) -> Floats:
        """Return the probability that each play is skipped, 0..1.

        The bits of a play's probability do not depend on the other plays.

        Args:
            model: what `fit` or `load` returned.
            features: plays x features, the columns of the fit; NaN where a value is missing.
        """

    def predict_parts(self, model: Any, plays: Dataset) -> Floats:
        """Return what `predict` does, for all plays of all parts, read one at a time."""
        blocks = (
            features[first : first + BLOCK]
            for features, _ in plays.parts()
            for first in range(0, len(features), BLOCK)
        )
        return np.concatenate([self.predict(model, block) for block in blocks])

    @abstractmethod
    def contributions(self, model: Any, features: Matrix) -> Floats:
        """Return what each feature adds to the log-odds of each play: plays x (features + 1).

        The last column is what the features are added to. A row adds up to the play's log-odds.

        Args:
            model: what `fit` or `load` returned.
            features: as for `predict`.
        """

    @abstractmethod
    def save(self, model: Any, path: Path) -> None:
        """Write a model to a file that is no pickle.

        Raises:
            OSError: the file cannot be written.
        """

    @abstractmethod
    def load(self, path: Path, *, threads: int) -> Any:
        """Return a model that `save` wrote; it predicts the same bits.

        Args:
            path: of the file.
            threads: how many `predict` may use, 1 or more.

        Raises:
            OSError: the file cannot be read.
        """

    def bounds(self, narrowed: Bounds) -> dict[str, tuple[float, float]]:
        """Return the bounds of each parameter: those of `narrowed`, else the family's own."""
        own = {name: (range_.low, range_.high) for name, range_ in self.space.items()}
        return own | dict(narrowed)

    def defaults(self, narrowed: Bounds) -> Params:
        """Return the library's own parameters, moved into the bounds where they lie outside."""
        return {
            name: type(self.space[name].default)(min(max(self.space[name].default, low), high))
            for name, (low, high) in self.bounds(narrowed).items()
        }

    def suggest(self, trial: "Trial", narrowed: Bounds) -> Params:
        """Return a trial's value for each parameter, within the bounds."""
        return {
            name: self.space[name].suggest(trial, name, bounds)
            for name, bounds in self.bounds(narrowed).items()
        }
