"""What a model family is: its search space, and how its models are fitted, used and stored."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from skipcast.arrays import Bools, Floats, Matrix

if TYPE_CHECKING:
    from optuna import Trial

OnRound = Callable[[float, float], None]
"""Told after each round of boosting how much was learned, rounds times learning rate, and the
log loss on the validation plays."""
Params = dict[str, Any]
Bounds = Mapping[str, tuple[float, float]]


@dataclass(frozen=True)
class Part:
    """The plays of some sessions: what is known of each, and whether it was skipped."""

    features: Matrix  # plays x features, NaN where missing
    skipped: Bools  # plays


@dataclass(frozen=True)
class Range:
    """Where a parameter is searched, from `low` to `high`, both included.

    `default` is the library's own value; whole numbers make the parameter a whole number.
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
        """Draw a value within `bounds`."""
        low, high = bounds
        whole = isinstance(self.default, int)
        drawn: float = (
            trial.suggest_int(name, int(low), int(high), log=self.log)
            if whole
            else trial.suggest_float(name, low, high, log=self.log)
        )
        return drawn


@dataclass(frozen=True)
class ModelFamily:
    """What the search and the server need of a family.

    `prepare` does once per search what all fits share (binning, imputing) and `fit` makes a model
    of it: parameters, prepared data, seed, threads, and an `OnRound`, which may raise to end the
    fit. `predict` gives a model's probabilities of being skipped, 0..1. `contributions` gives what
    each feature adds to the log-odds of each play, plays x (features + 1); the last column is what
    they start from, and a row adds up to the play's log-odds. `save` writes a model to a file and
    `load` reads it back, to predict with so many threads.
    """

    space: Mapping[str, Range]
    prepare: Callable[[Part, Part], Any]
    fit: Callable[[Params, Any, int, int, OnRound], Any]
    predict: Callable[[Any, Matrix], Floats]
    contributions: Callable[[Any, Matrix], Floats]
    save: Callable[[Any, Path], None]
    load: Callable[[Path, int], Any]
    requires: tuple[str, ...]  # packages that a server of the family needs

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
        """Draw parameters from a trial."""
        return {
            name: self.space[name].suggest(trial, name, bounds)
            for name, bounds in self.bounds(narrowed).items()
        }
