"""The published statistics beside those of official files, of the twin or real."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from rich.table import Table

from skipcast.archive.sample import read_subset
from skipcast.schema import is_synthetic
from skipcast.twin.statistics import measure, published

MOST_PLAYS = 2_000_000  # measured, in whole sessions: what an archive has more is left out


@dataclass(frozen=True)
class Row:
    """One statistic: as published, as found, and how far apart they may be."""

    quantity: str
    published: float
    found: float  # NaN where the folder has too little to measure it
    tolerance: float

    @property
    def off(self) -> bool:
        """Whether what was found is further from what was published than it may be.

        >>> Row("skip_2 rate", 0.517, 0.53, 0.01).off, Row("skip_2 rate", 0.517, np.nan, 0.01).off
        (True, False)
        """
        return abs(self.found - self.published) > self.tolerance


def check(source: Path, tracks_source: Path | None = None) -> tuple[list[Row], bool]:
    """Measure official files and set them beside what is published; tell whether synthetic.

    Args:
        source: a folder or archive, as `archive.read_subset` takes it.
        tracks_source: another, with the track features, where `source` has none.

    Raises:
        SkipcastError: as `archive.read_subset` does.
    """
    plays, tracks = read_subset(source, tracks_source, rows=MOST_PLAYS, seed=0)
    found = measure(plays, tracks)
    rows = [
        Row(quantity, value, found.get(quantity, np.nan), tolerance)
        for quantity, (value, tolerance) in published().items()
    ]
    return rows, is_synthetic(plays["session_id"].head(1))


def render(rows: list[Row], *, synthetic: bool) -> Table:
    """Lay out `rows` as a table that says what is synthetic and marks what is off."""
    found = "twin (synthetic)" if synthetic else "found"
    off = sum(row.off for row in rows)
    table = Table(title=f"Published beside {found}: {off} of {len(rows)} off")
    table.add_column("quantity")
    for name in ("published", found, "difference", "tolerance"):
        table.add_column(name, justify="right")
    table.add_column("")
    for row in rows:
        numbers = (row.published, row.found, row.found - row.published, row.tolerance)
        table.add_row(row.quantity, *map(_number, numbers), "off" if row.off else "")
    return table


def _number(value: float) -> str:
    """Write a share with four digits, a count with none, nothing measured as a dash.

    >>> _number(0.51718), _number(50704.0), _number(np.nan)
    ('0.5172', '50,704', '-')
    """
    if np.isnan(value):
        return "-"
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.4f}"
