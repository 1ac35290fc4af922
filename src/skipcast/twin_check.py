"""The published statistics beside those of a folder in the official layout, twin or real."""

import itertools
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import csv
from rich.table import Table

from skipcast.errors import SkipcastError
from skipcast.schema import is_synthetic
from skipcast.twin_measures import measure, published

MOST_PLAYS = 2_000_000  # read at most, so that the check also runs on the full set


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


def check(folder: Path) -> tuple[list[Row], bool]:
    """Measure `folder` and set it beside the published statistics; tell whether it is synthetic.

    Raises:
        SkipcastError: `folder` has no log or no track table.
    """
    plays, tracks = read_folder(folder)
    found = measure(plays, tracks)
    rows = [
        Row(quantity, value, found.get(quantity, np.nan), tolerance)
        for quantity, (value, tolerance) in published().items()
    ]
    return rows, is_synthetic(plays["session_id"].head(1))


def read_folder(folder: Path, *, most: int = MOST_PLAYS) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Read the first `most` plays of the official files under `folder`, and the played tracks.

    A session that the limit cuts is left out whole.

    Raises:
        SkipcastError: `folder` has no log or no track table.
    """
    logs, tables = sorted(folder.rglob("log_*.csv")), sorted(folder.rglob("tf_*.csv"))
    if not logs or not tables:
        raise SkipcastError(
            f"{folder} must hold log_*.csv and tf_*.csv but got {len(logs)} and {len(tables)} of "
            "them. Name a folder in the official layout, as `skipcast twin --out` makes."
        )
    plays = _first_rows(logs, most)
    if len(plays) == most:
        plays = plays[plays["session_id"] != plays["session_id"].iloc[-1]]
    played = pa.array(plays["track_id_clean"].unique())
    batches = [
        batch.filter(pc.is_in(batch["track_id"], played))
        for table in tables
        for batch in csv.open_csv(table)
    ]
    return plays, _frame(batches)


def _first_rows(paths: Iterable[Path], most: int) -> pd.DataFrame:
    kept: list[pa.RecordBatch] = []
    left = most
    for batch in itertools.chain.from_iterable(csv.open_csv(path) for path in paths):
        kept.append(batch.slice(0, left))
        left -= len(kept[-1])
        if not left:
            break
    return _frame(kept)


def _frame(batches: list[pa.RecordBatch]) -> pd.DataFrame:
    return pd.DataFrame(pa.Table.from_batches(batches).to_pandas())


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
