"""`params.yaml`, read and checked: one frozen model per stage, named like the stage."""

from pathlib import Path
from typing import Annotated

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from skipcast.errors import SkipcastError
from skipcast.models import Family
from skipcast.schema import Group, Horizon

Fraction = Annotated[float, Field(gt=0, lt=1)]
Seed = Annotated[int, Field(ge=0, lt=2**32)]


class Section(BaseModel):
    """A section of `params.yaml`: no unknown key, no silent conversion, no change after reading."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class Fetch(Section):
    """Where plays come from and how many of them to take."""

    source: str  # "twin", or a path to official files
    tracks: str | None = None  # a second path, when the track features are not in `source`
    rows: Annotated[int, Field(gt=0)]  # plays; whole sessions are taken until there are as many
    seed: Seed
    twin_sessions: Annotated[int, Field(gt=0)]


class Load(Section):
    """Where in the database the three tables are."""

    # `schema` in the file; pydantic models have a method of that name.
    schema_: Annotated[str, Field(alias="schema", pattern="^[a-z_][a-z0-9_]{0,62}$")]


class Features(Section):
    """What the features may know."""

    horizon: Horizon
    groups: Annotated[tuple[Group, ...], Field(min_length=1, strict=False)]


class Split(Section):
    """Shares of the sessions that validate and test; the others train."""

    validation: Fraction
    test: Fraction
    seed: Seed

    @model_validator(mode="after")
    def _leaves_some_to_train(self) -> "Split":
        if self.validation + self.test >= 1:
            raise ValueError("validation and test together must be below 1")
        return self


class Search(Section):
    """How many trials of which family."""

    families: Annotated[dict[Family, Annotated[int, Field(gt=0)]], Field(min_length=1)]  # trials
    seed: Seed
    experiment: Annotated[str, Field(min_length=1)]


class Promote(Section):
    """Under which name the champion is registered."""

    model: Annotated[str, Field(min_length=1)]


Share = Annotated[float, Field(ge=0, le=1)]


class Predict(Section):
    """Over which figures of its summary `skipcast predict` warns."""

    unknown_tracks: Share  # of plays whose track the model lacks
    unseen_categories: Share  # of plays, for each column of texts
    mean_probability: Share  # away from that of the training plays
    stability: Annotated[float, Field(ge=0)]  # population stability index of a feature


class Params(Section):
    """All of `params.yaml`."""

    fetch: Fetch
    load: Load
    features: Features
    split: Split
    search: Search
    promote: Promote
    predict: Predict


def read_params(path: Path = Path("params.yaml")) -> Params:
    """Read `path`.

    Raises:
        SkipcastError: the file is not there or not YAML, or a key is unknown, of a wrong type or
            out of range; the message lists every such key with its rule and its value.
    """
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise SkipcastError(
            f"{path} must be there but is not. Run skipcast in the root of the project."
        ) from error
    except yaml.YAMLError as error:
        raise SkipcastError(f"{path} must be YAML but is not: {error}") from error
    try:
        return Params.model_validate(content)
    except ValidationError as error:
        faults = [
            f"  {'.'.join(map(str, e['loc'])) or path}: {e['msg']}, got {e['input']!r}"
            for e in error.errors()
        ]
        raise SkipcastError(
            f"{path} must hold what each stage expects but does not:\n"
            + "\n".join(faults)
            + "\nCorrect these keys; README.md lists what each may be."
        ) from error
