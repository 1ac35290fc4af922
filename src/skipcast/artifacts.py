"""What the stages leave each other: where each file is, and what is in those of JSON."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar, Literal, Self

from pydantic import Field, ValidationError, model_validator

from skipcast.errors import SkipcastError
from skipcast.files import existing, unfinished, write_json
from skipcast.folders import move_into
from skipcast.models.families import Family
from skipcast.params import Into, Split
from skipcast.records import Record, faults
from skipcast.schema import Group, HorizonName, Label, RankBy

# From the root of the project.
PLAYS = Path("data/plays")  # a folder of parts
TRACKS = Path("data/tracks.parquet")
NAMES = Path("data/names.parquet")  # of tracks and artists; read only by what stays on this machine
RECEIPT = Path("data/receipt.json")
FEATURES = Path("data/features")  # a folder of parts
TRACK_TABLE = Path("data/track_table.parquet")  # what a model knows of tracks
LISTENER_TABLE = Path("data/listener_table.parquet")  # what it knows of listeners
FEATURES_RECEIPT = Path("data/features.json")
SEARCH = Path("data/search.json")
REFIT = Path("data/refit.json")
METRICS = Path("metrics")  # a folder
REPORTS = Path("reports")
PROMOTION = REPORTS / "promotion.json"

Decision = Literal["promoted", "refused", "kept", "rolled back", "refreshed", "not served"]
Role = Literal["candidate", "champion"]
Scores = dict[str, float]  # by the name of the score, such as accuracy


class Artifact(Record):
    """A JSON file that one stage writes and others read."""

    PATH: ClassVar[Path]
    STAGE: ClassVar[str]  # that writes it

    @classmethod
    def read(cls, path: Path | None = None) -> Self:
        """Read the file; `path` instead of where the stage writes it.

        Raises:
            SkipcastError: it is not there, is no JSON, or has a key too many, too few or of a
                wrong type; the message names the file, each such key and the stage that makes it.
        """
        path = path or cls.PATH
        content = existing(path, made_by=cls.STAGE).read_bytes()
        return cls._checked(path, cls.model_validate_json, content)

    @classmethod
    def _checked(cls, path: Path, validate: Callable[[Any], Self], content: Any) -> Self:
        try:
            return validate(content)
        except ValidationError as error:
            raise SkipcastError(
                f"{path} must be as the stage {cls.STAGE} writes it but is not:\n"
                f"{faults(error, whole=str(path))}\n"
                f"`dvc repro --force {cls.STAGE}` makes it again."
            ) from error

    def write(self, path: Path | None = None) -> None:
        """Write the file, keys in the order of the fields; `path` instead of the stage's own."""
        write_json(path or self.PATH, self.model_dump(by_alias=True))


class TableFingerprint(Record):
    """What a table of the database holds."""

    rows: int
    hash: str  # of its content, in any order of rows


class LoadReceipt(Artifact):
    """What the stage `load` put into the database, or that it put nothing there."""

    PATH = RECEIPT
    STAGE = "load"

    into: Into
    database: str | None  # host:port/database or `embedded`, without user and password
    # `schema` in the file; pydantic models have a method of that name.
    schema_: str = Field(alias="schema")
    synthetic: bool  # the twin's
    listeners: bool  # whether the plays are of listeners' own histories
    tables: dict[str, TableFingerprint]


class FeaturesReceipt(Artifact):
    """What the stage `features` made its table of."""

    PATH = FEATURES_RECEIPT
    STAGE = "features"

    hash: str  # of all parts of data/features
    track_table: str  # SHA-256 of data/track_table.parquet
    listener_table: str  # SHA-256 of data/listener_table.parquet
    tables: dict[str, TableFingerprint]  # as in the receipt of `load`
    horizon: HorizonName
    skip: Label
    groups: tuple[Group, ...]
    split: Split  # whose training sessions were counted


class BestOfFamily(Record):
    """The best trial of a family, scored on the validation sessions."""

    run_id: str  # MLflow's
    accuracy: float
    log_loss: float  # nats
    maa: float | None = None  # mean average accuracy, where models are ranked by it
    fpa: float | None = None  # first prediction accuracy, as well
    model_uri: str

    def challenge_scores(self) -> dict[str, str]:
        """Return MAA and FPA as tables have them, by their headings; nothing where not ranked."""
        scores = {"MAA": self.maa, "FPA": self.fpa}
        return {name: f"{score:.4f}" for name, score in scores.items() if score is not None}


class SearchResult(Artifact):
    """What a search found."""

    PATH = SEARCH
    STAGE = "search"

    run_id: str  # MLflow's, of the parent run
    families: dict[Family, BestOfFamily]
    best: Family
    ranked_by: RankBy = "accuracy"

    @model_validator(mode="after")
    def _best_is_a_family_of_the_search(self) -> Self:
        if self.best not in self.families:
            raise ValueError(f"best must be one of {', '.join(self.families)}")
        return self

    @property
    def candidate(self) -> BestOfFamily:
        """The best of the best family."""
        return self.families[self.best]


class Refit(SearchResult):
    """The best of each family, fitted on all plays; promotion judges these."""

    PATH = REFIT
    STAGE = "refit"


class ValidationScores(Record):
    """Scores of a family's best trial on the validation sessions."""

    accuracy: float
    log_loss: float  # nats


class Candidate(Record):
    """The model that a promotion was about."""

    family: Family
    version: int  # in the registry


class Champion(Record):
    """The champion after a promotion; both None where there is none."""

    family: str | None
    version: int | None


class Promotion(Artifact):
    """What a promotion decided."""

    PATH = PROMOTION
    STAGE = "promote"

    candidate: Candidate
    skip: Label  # what counted as a skip
    decision: Decision
    champion: Champion


class Metrics(Artifact):
    """What DVC shows and compares between commits: `metrics/<field>/<key>.json`.

    DVC prints a row for each file: so each holds the scores of one model under the same names. A
    score is NaN where it is undefined, such as the AUC of plays with one outcome.
    """

    PATH = METRICS
    STAGE = "promote"

    validation: dict[Family, ValidationScores]  # of the best trial of each family
    test: dict[str, Scores]  # candidate, champion before, baselines and the best of each family
    test_low: dict[Role, Scores]  # where the 95 % intervals of candidate and champion begin
    test_high: dict[Role, Scores]  # and where they end

    @classmethod
    def read(cls, path: Path | None = None) -> Self:
        """Read the folder, as `Artifact.read` does a file."""
        path = path or cls.PATH
        files = [
            file for field in cls.model_fields for file in sorted((path / field).glob("*.json"))
        ]
        if not files:
            raise SkipcastError(
                f"{path} must be there but is not. `dvc repro {cls.STAGE}` makes it."
            )
        content: dict[str, dict[str, Any]] = {}
        for file in files:
            content.setdefault(file.parent.name, {})[file.stem] = _json(file)
        return cls._checked(path, cls.model_validate, content)

    def write(self, path: Path | None = None) -> None:
        """Write the folder in place of what is there."""
        path = path or self.PATH
        with unfinished(path) as folder:
            for field, models in self.model_dump().items():
                for name, scores in models.items():
                    write_json(folder / path.name / field / f"{name}.json", scores)
            move_into(folder, path.parent)


def _json(file: Path) -> Any:
    """Return what a file of JSON holds, or where it is none its text, which no record allows."""
    text = file.read_text(encoding="utf-8", errors="replace")
    try:
        return json.loads(text)
    except ValueError:
        return text
