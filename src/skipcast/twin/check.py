"""The published statistics beside those of official files, the twin's or real ones."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from rich.table import Table

from skipcast.archive.sample import read_subset
from skipcast.schema import is_synthetic
from skipcast.twin.statistics import measure, published

MOST_PLAYS = 2_000_000  # of a larger archive, a sample of whole sessions is measured


@dataclass(frozen=True)
class Row:
    """One statistic, as published and as measured.

    Attributes:
        quantity: its name, as in `statistics.published`.
        published: its published value.
        measured: its value in the files; NaN where they have too few plays to measure it.
        tolerance: how far apart the two may be.
    """

    quantity: str
    published: float
    measured: float
    tolerance: float

    @property
    def off(self) -> bool:
        """Whether the two values are further apart than they may be.

        >>> Row("skip_2 rate", 0.517, 0.53, 0.01).off, Row("skip_2 rate", 0.517, np.nan, 0.01).off
        (True, False)
        """
        return abs(self.measured - self.published) > self.tolerance


def check(source: Path, tracks_source: Path | None = None) -> tuple[list[Row], bool]:
    """Measure official files; return a row per statistic, and whether the files are synthetic.

    Args:
        source: a folder or archive, as in `archive.sample.read_subset`.
        tracks_source: another one with the track features, where `source` has none.

    Raises:
        SkipcastError: as `archive.sample.read_subset`.
    """
    plays, tracks = read_subset(source, tracks_source, rows=MOST_PLAYS, seed=0)
    measures = measure(plays, tracks)
    rows = [
        Row(quantity, value, measures.get(quantity, np.nan), tolerance)
        for quantity, (value, tolerance) in published().items()
    ]
    return rows, is_synthetic(plays["session_id"].head(1))


def render(rows: list[Row], *, synthetic: bool) -> Table:
    """Return `rows` as a table that says whether they are synthetic and marks what is off."""
    measured = "twin (synthetic)" if synthetic else "measured"
    off = sum(row.off for row in rows)
    table = Table(title=f"Published beside {measured}: {off} of {len(rows)} off")
    table.add_column("quantity")
    for name in ("published", measured, "difference", "tolerance"):
        table.add_column(name, justify="right")
    table.add_column("")
    for row in rows:
        numbers = (row.published, row.measured, row.measured - row.published, row.tolerance)
        table.add_row(row.quantity, *map(_number, numbers), "off" if row.off else "")
    return table


def _number(value: float) -> str:
    """Return a share with four digits, a count with none, and NaN as a dash.

    >>> _number(0.51718), _number(50704.0), _number(np.nan)
    ('0.5172', '50,704', '-')
    """
    if np.isnan(value):
        return "-"
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.4f}"
