"""A champion that was logged by the flat package; tests/data/README.md tells how it was made."""

import json
import zipfile
from pathlib import Path

import pandas as pd

DATA = Path(__file__).parent / "data"


def unpack(folder: Path) -> Path:
    """Unpack the model's folder into `folder`; return it."""
    with zipfile.ZipFile(DATA / "flat_champion.zip") as archive:
        archive.extractall(folder)
    return folder


def plays_and_probabilities() -> tuple[pd.DataFrame, list[float]]:
    """Return synthetic plays, and what the model answered when it was logged."""
    content = json.loads((DATA / "flat_champion.json").read_text())
    return pd.DataFrame(content["plays"]), content["skip_probability"]
