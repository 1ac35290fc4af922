"""The files that the stages leave each other, from the root of the project."""

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # `skipcast predict` starts faster without
    pass

# What each stage leaves for the next ones, from the root of the project.
PLAYS = Path("data/plays.parquet")
TRACKS = Path("data/tracks.parquet")
RECEIPT = Path("data/receipt.json")
FEATURES = Path("data/features.parquet")
FEATURES_RECEIPT = Path("data/features.json")
SEARCH = Path("data/search.json")
METRICS = Path("metrics.json")
REPORTS = Path("reports")
