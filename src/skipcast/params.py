"""`params.yaml`, read and checked: one frozen model per stage, named like the stage."""

from pathlib import Path
from typing import Annotated, Any, Literal
from zoneinfo import available_timezones

import yaml
from pydantic import AfterValidator, Field, PlainValidator, ValidationError, model_validator

from skipcast.errors import SkipcastError
from skipcast.models.families import FAMILIES, Family
from skipcast.overrides import overridden
from skipcast.records import Record, faults
from skipcast.schema import (
    AHEAD,
    HORIZONS,
    LISTENER_GROUPS,
    TRACK_GROUPS,
    Group,
    HorizonName,
    Label,
    RankBy,
)

Fraction = Annotated[float, Field(gt=0, lt=1)]
Bound = Annotated[tuple[float, float], Field(strict=False)]  # YAML knows lists only
Share = Annotated[float, Field(ge=0, lt=1)]
Unit = Annotated[float, Field(ge=0, le=1)]
Seed = Annotated[int, Field(ge=0, lt=2**32)]


USUAL_ROWS = 100_000
Into = Literal["postgres", "none"]


def _is_timezone(name: str) -> str:
    if name not in available_timezones():
        raise ValueError("must be a name such as Europe/Berlin or UTC")
    return name


def _rows(value: Any) -> Any:
    if value is None or value == "all" or (type(value) is int and value > 0):
        return value
    raise ValueError("must be a whole number above 0, or all, or null")


class Fetch(Record):
    """Where plays come from and how many of them to take.

    `rows` null takes `USUAL_ROWS` plays of official files and of the twin, all of a history; `all`
    takes all there are.
    """

    source: str  # "twin", or a path to official files
    tracks: str | None = None  # a second path, when the track features are not in `source`
    rows: Annotated[int | Literal["all"] | None, PlainValidator(_rows)]  # plays, whole sessions
    seed: Seed
    twin_sessions: Annotated[int, Field(gt=0)]
    timezone: Annotated[str, AfterValidator(_is_timezone)]  # of the listeners of a history


class Load(Record):
    """Whether a database holds the plays, and where in it the three tables are."""

    into: Into = "postgres"

    # Short, as the studies are in <schema>_optuna and a name has 63 characters at most.
    # `schema` in the file; pydantic models have a method of that name.
    schema_: Annotated[str, Field(alias="schema", pattern="^[a-z_][a-z0-9_]{0,54}$")]


class Features(Record):
    """What the features may know."""

    horizon: HorizonName
    skip: Label  # what counts as a skip
    groups: Annotated[tuple[Group, ...], Field(min_length=1, strict=False)] | None = None

    def groups_of(self, *, listeners: bool) -> tuple[Group, ...]:
        """Return the groups, or where there are none those that the data can fill.

        Args:
            listeners: whether the plays are of listeners' own histories.
        """
        if self.groups:
            return self.groups
        usual = LISTENER_GROUPS if listeners else TRACK_GROUPS
        return (*usual, AHEAD) if HORIZONS[self.horizon].ahead else usual

    @model_validator(mode="after")
    def _looks_ahead_only_where_that_is_known(self) -> "Features":
        if self.groups and AHEAD in self.groups and not HORIZONS[self.horizon].ahead:
            raise ValueError(
                f"groups must be without {AHEAD} at the horizon {self.horizon}, which knows "
                "nothing of plays to come; second_half knows their tracks"
            )
        return self


class Split(Record):
    """Shares of the sessions that validate and test; the others train."""

    by: Literal["session", "listener", "time"] | None = None
    validation: Fraction
    test: Fraction
    seed: Seed

    @model_validator(mode="after")
    def _leaves_some_to_train(self) -> "Split":
        if self.validation + self.test >= 1:
            raise ValueError("validation and test together must be below 1")
        return self


class Search(Record):
    """How many trials of which family, and what makes one better than another."""

    families: Annotated[dict[Family, Annotated[int, Field(gt=0)]], Field(min_length=1)]  # trials
    objective: Literal["accuracy", "log_loss"]
    rank_by: RankBy | None = None  # null: what is usual for the horizon
    plays: Annotated[int, Field(gt=0)] = 1_000_000  # most of the sample that trials use
    space: dict[Family, dict[str, Bound]]  # low and high of ranges to search instead
    workers: Annotated[int, Field(gt=0)]  # processes
    seed: Seed
    experiment: Annotated[str, Field(min_length=1)]

    @model_validator(mode="after")
    def _ranges_are_ranges(self) -> "Search":
        for family, bounds in self.space.items():
            known = FAMILIES[family].space
            for name, (low, high) in bounds.items():
                if name not in known:
                    raise ValueError(f"space.{family} may name {', '.join(known)} but got {name}")
                if fault := known[name].fault(low, high):
                    raise ValueError(f"space.{family}.{name} {fault}")
        return self


class Song(Record):
    """A song to mark in the distributions of track features."""

    name: Annotated[str, Field(min_length=1)]
    loudness: float  # dB, mostly -60..0
    energy: Unit
    danceability: Unit
    acousticness: Unit


class Promote(Record):
    """Under which name the champion is registered, and what a candidate must show."""

    model: Annotated[str, Field(min_length=1)]
    sign_key: Annotated[Path, AfterValidator(Path.expanduser), Field(strict=False)] | None = None
    tolerance: Share  # accuracy that a candidate with a better log loss may lose
    slice_tolerance: Share  # accuracy that it may lose in a slice
    slice_plays: Annotated[int, Field(gt=0)]  # smaller slices are not judged
    max_ece: Fraction  # expected calibration error; its interval must not lie above
    # Share of the best rule's errors; a candidate that removes more of them most likely has a leak.
    too_good_share: Fraction
    samples: Annotated[int, Field(ge=100)]  # of the bootstrap
    seed: Seed
    songs: Annotated[tuple[Song, ...], Field(strict=False)]


class Serve(Record):
    """Where the champion answers, and in how many processes."""

    host: Annotated[str, Field(min_length=1)]
    port: Annotated[int, Field(gt=0, lt=2**16)]
    workers: Annotated[int, Field(gt=0)]
    log: Annotated[str, Field(min_length=1)] | None = None  # a folder
    log_mb: Annotated[int, Field(gt=0)] = 100  # megabytes that the log has at most


class Demo(Record):
    """Where the page to see it is."""

    port: Annotated[int, Field(ge=0, lt=2**16)]  # 0: a free one


class Predict(Record):
    """Over which figures of its summary `skipcast predict` warns."""

    unknown_tracks: Unit  # of plays whose track the model lacks
    unseen_categories: Unit  # of plays, for each column of texts
    mean_probability: Unit  # away from that of the training plays
    stability: Annotated[float, Field(ge=0)]  # population stability index of a feature


class Monitor(Record):
    """Which answers of the served model are judged, and over which figures `monitor` exits 3."""

    days: Annotated[int, Field(gt=0)]  # up to now
    sessions: Annotated[int, Field(ge=30)]  # with outcomes; fewer are not judged
    unknown_tracks: Unit  # as `Predict` has these
    mean_probability: Unit
    stability: Annotated[float, Field(ge=0)]


class Cluster(Record):
    """Who does the work on parts: without a scheduler, processes of this machine."""

    scheduler: Annotated[str, Field(pattern=r"^(local|(tcp|tls)://[^\s/]+:\d+)$")] | None = None
    workers: Annotated[int, Field(gt=0)] | None = None  # at least so many; null: 1, or all cores


class Params(Record):
    """All of `params.yaml`."""

    fetch: Fetch
    load: Load
    features: Features
    split: Split
    search: Search
    promote: Promote
    serve: Serve
    demo: Demo
    predict: Predict
    monitor: Monitor
    cluster: Cluster = Cluster()

    @property
    def rank_by(self) -> RankBy:
        """What models are ranked by."""
        return self.search.rank_by or HORIZONS[self.features.horizon].rank_by

    @model_validator(mode="after")
    def _only_the_challenge_has_its_scores(self) -> "Params":
        if self.rank_by == "maa" and not HORIZONS[self.features.horizon].divides_sessions:
            raise ValueError(
                f"search.rank_by may be maa at features.horizon second_half but not at "
                f"{self.features.horizon}"
            )
        return self


def read_params(path: Path = Path("params.yaml")) -> Params:
    """Read `path`, with the values of `--set` instead of its own.

    Raises:
        SkipcastError: the file is not there or not YAML, or a key is unknown, of a wrong type or
            out of range; the message lists every such key with its rule and its value.
    """
    try:
        content = yaml.safe_load(path.read_bytes())
    except (FileNotFoundError, IsADirectoryError) as error:
        raise SkipcastError(
            f"{path} must be there but is not. Run skipcast in the root of the project."
        ) from error
    except yaml.YAMLError as error:
        raise SkipcastError(f"{path} must be YAML but is not: {error}") from error
    try:
        return Params.model_validate(overridden(content))
    except ValidationError as error:
        raise SkipcastError(
            f"{path} must hold what each stage expects but does not:\n"
            f"{faults(error, whole=str(path))}\n"
            "Correct these keys; the comments in params.yaml say what each may be."
        ) from error
