"""A column: its name, its type, when it is known, and which values it may hold."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from enum import IntEnum
from typing import Literal

ColumnType = Literal["text", "bigint", "boolean", "double precision"]


class Known(IntEnum):
    """The moment from which a column of a play is known; later moments know more."""

    QUEUED = 1  # before the track is queued
    STARTED = 2  # when the track starts
    ENDED = 3  # only after the track ended
    SESSION_ENDED = 4  # only after the session ended


MAX_NUMBER = 1e6  # of numbers; the dataset's are far below, and the features' sums stay exact


@dataclass(frozen=True)
class Column:
    """A column: its name, its Postgres type, when it is known, and which values it may hold.

    Files and requests are checked by this alone. A file must give every value. A request may leave
    out any value, or send null, unless the column is `required`.

    Args:
        name: as in the official files.
        type: of the column in Postgres.
        known: from when on the value of a play is known.
        low: the smallest number allowed; not used for text.
        high: the largest number allowed; not used for text.
        values: the texts allowed; empty allows all.
        is_date: whether the text must be a date like 2018-07-15.
        required: whether every row of a request must give the value.
    """

    name: str
    type: ColumnType
    known: Known = Known.QUEUED
    low: float = -MAX_NUMBER
    high: float = MAX_NUMBER
    values: tuple[str, ...] = ()
    is_date: bool = False
    required: bool = False

    @property
    def is_whole(self) -> bool:
        """Whether the values are whole numbers; true and false count as 1 and 0."""
        return self.type in ("bigint", "boolean")

    @property
    def is_flag(self) -> bool:
        """Whether the values are true and false, or 1 and 0."""
        return self.is_whole and (self.low, self.high) == (0, 1)

    def allows(self, text: str) -> bool:
        """Tell whether a column of texts may hold `text`.

        >>> day = Column("date", "text", is_date=True)
        >>> day.allows("2018-07-15"), day.allows("2018-13-01"), day.allows("20180715")
        (True, False, False)
        """
        if self.is_date:
            return _is_date(text)
        return not self.values or text in self.values

    def rule(self, *, nullable: bool) -> str:
        """Say what a value must be, for the error "<column> must be <rule> but got <value>".

        Args:
            nullable: whether null is allowed, too.

        >>> Column("hour_of_day", "bigint", low=0, high=23).rule(nullable=True)
        'a whole number from 0 to 23, or null'
        >>> Column("mode", "text", values=("minor", "major")).rule(nullable=False)
        'minor or major'
        """
        null = ["null"] if nullable else []
        if self.is_flag:
            return _either(["true", "false", *null, "0", "1"])
        if self.type == "text":
            kind = "text that is not empty" if self.required else "text"
            texts = self.values or ("a date like 2018-07-15" if self.is_date else kind,)
            return _either([*texts, *null])
        number = "a whole number" if self.is_whole else "a number"
        interval = f"from {self.low:,.0f} to {self.high:,.0f}"
        if (self.low, self.high) == (-MAX_NUMBER, MAX_NUMBER):
            interval = f"within {MAX_NUMBER:,.0f} of 0"
        return f"{number} {interval}{', or null' if nullable else ''}"


def _is_date(text: str) -> bool:
    try:
        return date.fromisoformat(text).isoformat() == text
    except ValueError:
        return False


def _either(words: Sequence[str]) -> str:
    return " or ".join(filter(None, (", ".join(words[:-1]), words[-1])))
