"""The parts of the plays as MLflow's datasets: what a run learned from, and what scored it."""

import hashlib
from collections.abc import Mapping

from mlflow.entities import Dataset, DatasetInput, InputTag

from skipcast.params import Split
from skipcast.schema import Part

# What MLflow's UI calls each part.
CONTEXTS: Mapping[str, str] = {"train": "training", "validation": "validation", "test": "testing"}


def dataset(part: Part, data: str, split: Split) -> Dataset:
    """Return a part of the plays.

    Args:
        part: its sessions.
        data: fingerprint of all plays.
        split: what decides which sessions are in which part.

    >>> dataset("test", "-7", Split(validation=0.1, test=0.1, seed=0)).name
    'test'
    """
    digest = hashlib.blake2b(f"{data} {split}".encode(), digest_size=8).hexdigest()
    return Dataset(part, digest, source_type="local", source="data/features")


def as_input(part: Dataset) -> DatasetInput:
    """Return a part as what a run names as its input."""
    context = InputTag("mlflow.data.context", CONTEXTS[part.name])
    return DatasetInput(part, [context])
