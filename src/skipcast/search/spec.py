"""The specification of a search: params, inputs, and the fingerprint that identifies it."""

from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from skipcast.artifacts import FeaturesReceipt, LoadReceipt
from skipcast.errors import SkipcastError
from skipcast.files import hash_code, hash_file, hash_json
from skipcast.models.families import FAMILIES
from skipcast.params import Params
from skipcast.parts import Parts
from skipcast.schema import Group

# The code that decides what a search finds and leaves: how trials are fitted, scored and chosen,
# and what their models carry (features and serving), as a model that is kept must hold today's
# code. Not here, though the search imports them: database and mlflow_store (where studies and runs
# are), and the root modules that read and write files: values of params and hashes of inputs are in
# the fingerprint.
CODE = (
    "arrays.py",
    "column.py",
    "errors.py",
    "evaluation",
    "features",
    "models",
    "reading",
    "schema.py",
    "search",
    "serving",
    "sessions.py",
)
LIBRARIES = ("numpy", "optuna", *(lib for f in FAMILIES.values() for lib in f.libraries))


@dataclass(frozen=True)
class Job:
    """What a process needs to take part in a search."""

    params: Params
    features: Path  # parts, a row per play: `table.LEADING_COLUMNS`, then the features
    groups: tuple[Group, ...]  # of the features
    tracks: Path  # what the models will know of tracks, as `counts.add_counts` returns it
    listeners: Path  # and of listeners, as `listener_counts.count_listeners` returns it
    data: str  # fingerprint of the plays
    tags: Mapping[str, str]  # of every run
    fingerprint: str


def make_job(
    params: Params,
    features: Path,
    tracks: Path,
    listeners: Path,
    *,
    receipt: LoadReceipt,
    features_receipt: FeaturesReceipt,
) -> Job:
    """Put a job together.

    Args:
        params: all params.
        features: what the stage `features` made of the plays.
        tracks: what the stage `features` made of the tracks.
        listeners: what it made of the listeners.
        receipt: of the stage `load`.
        features_receipt: of the stage `features`.

    Raises:
        SkipcastError: the features are not those of their receipt, of the tables that are loaded
            now, or of the params.
    """
    present = FeaturesReceipt(
        hash=Parts.read(features, made_by="features").hash,
        track_table=hash_file(tracks),
        listener_table=hash_file(listeners),
        tables=receipt.tables,
        horizon=params.features.horizon,
        skip=params.features.skip,
        groups=params.features.groups_of(listeners=receipt.listeners),
        split=params.split,
    )
    _check_same(features, features_receipt, present)
    data = receipt.tables["training_set"].hash
    tags = {
        "data.hash": data,
        "data.synthetic": str(receipt.synthetic),
        "features.hash": features_receipt.hash,
        "horizon": params.features.horizon,
        "skip": params.features.skip,
        "seed": str(params.search.seed),
    }
    hashes = (present.hash, present.track_table, present.listener_table)
    fingerprint = _fingerprint(params, *hashes)
    tags["fingerprint"] = fingerprint
    return Job(params, features, present.groups, tracks, listeners, data, tags, fingerprint)


def _check_same(features: Path, receipt: FeaturesReceipt, present: FeaturesReceipt) -> None:
    now = present.model_dump()
    for name, value in receipt.model_dump().items():
        if now[name] != value:
            raise SkipcastError(
                f"{features} must be of the {name} {value}, as its receipt says, but got "
                f"{now[name]}. `dvc repro --force features` makes it again."
            )


def _fingerprint(params: Params, *inputs: str) -> str:
    """Return a hash of all that decides what a trial finds.

    That is neither the number of processes nor that of trials: who asks for 30 trials after 15 gets
    the 15 and 15 more.
    """
    search = params.search.model_dump(exclude={"workers", "families"})
    about = {
        "inputs": inputs,
        "params": [params.features.model_dump(), search, params.split.model_dump()],
        "families": list(params.search.families),
        "code": hash_code(*CODE),
        "libraries": {name: version(name) for name in LIBRARIES},
    }
    return hash_json(about)
