"""What a feature is: a named column, and the block of columns that one function computes."""

from collections.abc import Callable
from dataclasses import dataclass

from skipcast.arrays import Floats
from skipcast.features.views import LookAheadError, Past, Present
from skipcast.schema import HORIZONS, Horizon

Compute = Callable[[Present, Past], Floats]
"""`compute(now, before)`: features x plays, or a value per play if there is only one feature."""


@dataclass(frozen=True)
class Feature:
    """A named column of numbers."""

    name: str
    meaning: str  # a sentence for the data dictionary: unit, range, what NaN means


@dataclass(frozen=True)
class FeatureBlock:
    """Features that one function computes in one go.

    A horizon that does not know all columns that the block reads, of the present play or of those
    to come, has none of its features.

    Raises:
        LookAheadError: no horizon knows all columns that it reads before the play has ended.
    """

    features: tuple[Feature, ...]
    reads: frozenset[str]  # columns of the present play
    compute: Compute
    ahead: frozenset[str] = frozenset()  # columns of the plays to come

    def __post_init__(self) -> None:
        if not any(self.is_known(horizon) for horizon in HORIZONS.values()):
            columns = ", ".join(sorted(self.reads | self.ahead))
            raise LookAheadError(
                f"{columns} of the present play{' and those to come' if self.ahead else ''} must "
                f"be known to a horizon for {self.features[0].name} to read. Read it from the past."
            )

    def is_known(self, horizon: Horizon) -> bool:
        """Tell whether the horizon knows all that the block reads."""
        return self.reads <= horizon.known and self.ahead <= horizon.ahead


FeatureGroup = tuple[FeatureBlock, ...]  # what params.yaml can switch on or off, in this order


def reads(*columns: str, ahead: tuple[str, ...] = ()) -> Callable[[Compute], FeatureBlock]:
    """Make a function a feature that reads these columns of the present play.

    The function's name is the feature's name, its docstring the meaning.

    Args:
        columns: of the present play.
        ahead: columns of the plays to come.

    Raises:
        LookAheadError: no horizon knows them all before the play has ended.

    >>> @reads("tempo")
    ... def double_tempo(now, before):
    ...     "Twice the tempo, beats per minute; NaN if the track is unknown."
    ...     return 2 * now["tempo"]
    >>> double_tempo.features[0].name
    'double_tempo'
    """

    def block(compute: Compute) -> FeatureBlock:
        meaning = " ".join(str(compute.__doc__).split())
        feature = Feature(compute.__name__, meaning)
        return FeatureBlock((feature,), frozenset(columns), compute, frozenset(ahead))

    return block


def column(name: str, meaning: str, *, source: str | None = None) -> FeatureBlock:
    """Make a column of the present play a feature as it is.

    Args:
        name: of the feature.
        meaning: for the data dictionary.
        source: name of the column, if it differs.

    Raises:
        LookAheadError: no horizon knows the column before the play has ended.

    >>> column("premium", "Whether the listener pays: 0 or 1; NaN if not given.").reads
    frozenset({'premium'})
    """
    read = source or name
    return FeatureBlock((Feature(name, meaning),), frozenset({read}), lambda now, before: now[read])
