"""Runs the sides of a comparison in turn, and says how far their ratio can be trusted.

The speed of a machine changes from one quarter of an hour to the next. So no side is run to its end
before the other starts: each round runs every side once, and every second round runs them in
reverse order. The sides of a round share the speed of the machine, so the ratio of a round does not
depend on it. A benchmark prints the median of these ratios with the lowest and the highest.
"""

import gc
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

Figures = Mapping[str, float]
"""What one run measured: the name of each figure, such as `seconds`, and its value."""
Side = Callable[[], Figures]
"""Does the work of one side once and returns what it measured."""
SECONDS = "seconds"


@dataclass(frozen=True)
class Spread:
    """The median of one value per round, beside the lowest and the highest."""

    median: float
    lowest: float
    highest: float
    rounds: int

    def sentence(self, what: str) -> str:
        """Return the words of `what` with the median in place of `{}`, then the range.

        >>> Spread(2.31, 2.12, 2.6, 5).sentence("ours is {} times as fast")
        'ours is 2.31 times as fast (median of 5 rounds, 2.12 to 2.60)'
        """
        limits = f"median of {self.rounds} rounds, {self.lowest:.2f} to {self.highest:.2f}"
        return f"{what.format(f'{self.median:.2f}')} ({'1 round' if self.rounds == 1 else limits})"


@dataclass(frozen=True)
class Rounds:
    """What every side measured in every round."""

    runs: Mapping[str, Sequence[Figures]]  # by side, in the order of the rounds

    def values(self, side: str, figure: str = SECONDS) -> list[float]:
        """Return a figure of a side, one value per round.

        >>> Rounds({"ours": [{"seconds": 2.0}, {"seconds": 3.0}]}).values("ours")
        [2.0, 3.0]
        """
        return [run[figure] for run in self.runs[side]]

    def median(self, side: str, figure: str = SECONDS) -> float:
        """Return the median of a figure of a side over the rounds.

        >>> Rounds({"ours": [{"seconds": 2.0}, {"seconds": 3.0}]}).median("ours")
        2.5
        """
        return statistics.median(self.values(side, figure))

    def ratio(self, side: str, other: str, figure: str = SECONDS) -> Spread:
        """Return a figure of `side` divided by that of `other`, round by round.

        Raises:
            ZeroDivisionError: the figure of `other` is 0 in a round.

        >>> runs = {"loop": [{"seconds": 4.0}], "ours": [{"seconds": 2.0}]}
        >>> Rounds(runs).ratio("loop", "ours").median
        2.0
        """
        pairs = zip(self.values(side, figure), self.values(other, figure), strict=True)
        return spread([one / two for one, two in pairs])


def spread(values: Sequence[float]) -> Spread:
    """Return the median, the lowest and the highest of one value per round; at least one.

    >>> spread([2.0, 9.0, 1.0])
    Spread(median=2.0, lowest=1.0, highest=9.0, rounds=3)
    """
    return Spread(statistics.median(values), min(values), max(values), len(values))


def run_in_turn(sides: Mapping[str, Side], *, rounds: int, warm_up: int = 0) -> Rounds:
    """Run every side once a round, every second round in reverse order.

    Args:
        sides: what to run, by name.
        rounds: how often each side is measured, at least 1.
        warm_up: how often each side runs before that; what it measures then is left out.

    Raises:
        ValueError: there are fewer rounds than 1.

    >>> figures = run_in_turn({"ours": lambda: {"seconds": 2.0}}, rounds=3)
    >>> figures.values("ours")
    [2.0, 2.0, 2.0]
    """
    if rounds < 1:
        raise ValueError(f"The number of rounds must be 1 or more but got {rounds}.")
    for side in sides.values():
        for _ in range(warm_up):
            side()
    names = list(sides)
    runs: dict[str, list[Figures]] = {name: [] for name in names}
    for i in range(rounds):
        for name in reversed(names) if i % 2 else names:
            runs[name].append(sides[name]())
    return Rounds(runs)


def total(parts: Sequence[Rounds]) -> Rounds:
    """Add up the figures of comparisons that have the same sides and rounds, round by round.

    >>> part = Rounds({"ours": [{"seconds": 2.0}]})
    >>> total([part, part]).values("ours")
    [4.0]
    """
    return Rounds(
        {
            side: [
                {figure: sum(run[figure] for run in runs) for figure in runs[0]}
                for runs in zip(*(part.runs[side] for part in parts), strict=True)
            ]
            for side in parts[0].runs
        }
    )


def timed(
    task: Callable[[], object],
    *,
    calls: int = 1,
    clock: Callable[[], float] = time.perf_counter,
) -> Side:
    """Return a side that measures the seconds of one call of `task`.

    Args:
        task: what to time.
        calls: how often a run calls it, to lift a short task above what the clock can tell; the
            figure is the mean.
        clock: returns the time in seconds.

    >>> ticks = iter([10.0, 16.0])
    >>> timed(lambda: None, calls=3, clock=lambda: next(ticks))()
    {'seconds': 2.0}
    """

    def run() -> Figures:
        gc.collect()
        started = clock()
        for _ in range(calls):
            task()
        return {SECONDS: (clock() - started) / calls}

    return run
