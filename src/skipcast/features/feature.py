"""What a feature is: a named column, what it reads, and the function that computes it."""

from collections.abc import Callable
from dataclasses import dataclass

from skipcast.arrays import Floats
from skipcast.features.views import LookAheadError, Past, Present
from skipcast.schema import HORIZONS, HorizonName

Compute = Callable[[Present, Past], Floats]


@dataclass(frozen=True)
class Feature:
    """A named column: its meaning, the columns of the present play that it reads, its function."""

    name: str
    meaning: str
    reads: frozenset[str]
    compute: Compute

    def known(self, horizon: HorizonName) -> bool:
        """Tell whether the horizon knows all that the feature reads."""
        return self.reads <= HORIZONS[horizon].known


def reads(*columns: str) -> Callable[[Compute], Feature]:
    """Make a function a feature that reads these columns of the present play.

    Raises:
        LookAheadError: no horizon knows one of them before the play has ended.
    """
    declared = frozenset(columns)
    if not any(declared <= horizon.known for horizon in HORIZONS.values()):
        raise LookAheadError(f"{columns} of the present play must be known to a horizon.")

    def feature(compute: Compute) -> Feature:
        return Feature(compute.__name__, str(compute.__doc__), declared, compute)

    return feature
