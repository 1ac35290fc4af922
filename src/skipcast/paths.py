"""Where stages leave what they make, in the root of the project."""

from pathlib import Path

PLAYS = Path("data/plays.parquet")
TRACKS = Path("data/tracks.parquet")
RECEIPT = Path("data/receipt.json")
FEATURES = Path("data/features.parquet")
FEATURES_RECEIPT = Path("data/features.json")
SEARCH = Path("data/search.json")
METRICS = Path("metrics.json")
