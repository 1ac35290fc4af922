"""The MLflow registry: the versions of the model, and which of them is champion.

A decision is in the ledger (`ledger.py`) and on the version that it is about, as tags.
"""

import re
import tempfile
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import mlflow
from mlflow.exceptions import MlflowException

from skipcast.commits import git_commit
from skipcast.errors import SkipcastError, hide_credentials
from skipcast.mlflow_store.client import open_client, store_errors
from skipcast.mlflow_store.place import BRING_BACK, MAKE_AGAIN, VARIABLE
from skipcast.mlflow_store.trust import ChangedError
from skipcast.params import Promote
from skipcast.promotion.alias import ALIAS, champion_uri
from skipcast.promotion.ledger import MOVES, Entry, Ledger, ModelScores, Scores
from skipcast.promotion.version_files import VersionFiles

ORIGIN = "refreshed_from"  # the tag of a version that is another one with a newer listener table
LOGGED_MODEL = re.compile(r"\bm-[0-9a-f]{32}\b")


class Registry:
    """The versions of one registered model."""

    def __init__(self, name: str, key: Path | None = None) -> None:
        """Open the registry of the current tracking URI; `name` may be new.

        Args:
            name: of the model.
            key: versions are signed by it, and not served without its signature.

        Raises:
            SkipcastError: the registry does not answer.
        """
        self.name = name
        self.client = open_client()
        self.files = VersionFiles(name, self.client, key)
        self.ledger = Ledger(name, self.client)

    @classmethod
    def of(cls, params: Promote) -> "Registry":
        """Open the registry as params.yaml says.

        Raises:
            SkipcastError: the registry does not answer.
        """
        return cls(params.model, params.sign_key)

    def champion(self) -> int | None:
        """Return the version that has the alias, or None.

        Raises:
            SkipcastError: the registry does not answer.
        """
        with store_errors(f"tell the champion of {self.name}"):
            try:
                model = self.client.get_registered_model(self.name)
            except MlflowException as error:
                if error.error_code == "RESOURCE_DOES_NOT_EXIST":
                    return None
                raise
        version = model.aliases.get(ALIAS)
        return None if version is None else int(version)

    def require_champion(self) -> int:
        """Return the version that has the alias.

        Raises:
            SkipcastError: as `take_champion`.
        """
        with tempfile.TemporaryDirectory(prefix="skipcast.") as folder:
            return self.take_champion(Path(folder))[0]

    def _champion(self) -> int:
        version = self.champion()
        if version is None:
            decided = "; `skipcast promote --history` tells why" if self.history() else ""
            raise SkipcastError(
                f"{champion_uri(self.name)} must be registered in {store()} but is not: "
                f"{self.name} has no version with the alias {ALIAS}{decided}. `dvc repro` makes "
                "it. If DVC finds all up to date, this is not the store in which it did so, or "
                f"that was emptied: correct {VARIABLE}, or type {MAKE_AGAIN}."
            )
        return version

    def take_champion(self, folder: Path) -> tuple[int, Path, str | None]:
        """Copy the champion's files into `folder`, which is of this user alone.

        Returns:
            The champion's version, where the copy is, and what to tell the user of it.

        Raises:
            SkipcastError: there is no champion, its files are gone or others than they were, or
                the registry does not answer.
        """
        version = self._champion()
        return version, *self.take(version, folder)

    def take(self, version: int, folder: Path) -> tuple[Path, str | None]:
        """Copy the files of a version into `folder`, which is of this user alone.

        Returns:
            Where the copy is, and what to tell the user of it.

        Raises:
            SkipcastError: its files are gone or others than they were, or the registry does not
                answer.
        """
        try:
            return self.files.take(version, folder)
        except ChangedError as error:
            raise SkipcastError(f"{self.files.of(version)} {error.fault}. {BRING_BACK}.") from error

    def find(self, model_uri: str) -> int | None:
        """Return the version that holds a logged model, or None."""
        with store_errors(f"list the versions of {self.name}"):
            versions = self.client.search_model_versions(f"name = '{self.name}'")
        id_ = model_uri.removeprefix("models:/")  # a server may note the place of its files instead
        return next((int(v.version) for v in versions if id_ in str(v.source)), None)

    def register(self, model_uri: str, family: str, *, origin: int | None = None) -> int:
        """Register a logged model, once however often it is promoted.

        Args:
            model_uri: of the model.
            family: of its classifier.
            origin: the version that it is, with a newer listener table.
        """
        version = self.find(model_uri)
        if version is not None:
            return version
        tags = {"family": family} | ({} if origin is None else {ORIGIN: str(origin)})
        with store_errors(f"register a version of {self.name}"):
            registered = mlflow.register_model(model_uri, self.name, tags=tags)
        return int(registered.version)

    def origin(self, version: int) -> int:
        """Return the version that `version` was made of by refreshing, itself where it was not."""
        tags = self._tags(version)
        return self.origin(int(tags[ORIGIN])) if ORIGIN in tags else version

    def family(self, version: int) -> str:
        """Return the family of a version, as `register` noted it."""
        return self._tags(version).get("family", "unknown")

    def _tags(self, version: int) -> dict[str, str]:
        with store_errors(f"tell about version {version} of {self.name}"):
            return dict(self.client.get_model_version(self.name, str(version)).tags)

    def logged_model(self, version: int) -> str | None:
        """Return the id of the logged model that a version holds; None if it holds other files."""
        with store_errors(f"tell about version {version} of {self.name}"):
            found = self.client.get_model_version(self.name, str(version))
        named = LOGGED_MODEL.search(str(found.source))  # MLflow leaves model_id out in some stores
        return found.model_id or (named[0] if named else None)

    def settings(self, run_id: str) -> dict[str, str]:
        """Return the hyperparameters that a run logged."""
        with store_errors(f"tell about the run {run_id}"):
            return dict(self.client.get_run(run_id).data.params)

    def attach(self, model_uri: str, file: Path) -> None:
        """Put a file beside the model itself, so that who gets the model gets it, too."""
        with store_errors(f"take {file.name} for {model_uri}"):
            self.client.log_model_artifact(model_uri.removeprefix("models:/"), str(file))

    def carry_out(
        self, entry: Entry, files: Path | None = None, scores: ModelScores | None = None
    ) -> Entry:
        """Write `entry` to the ledger, with the files of a folder and what it was made of.

        Then move the alias if need be.

        The alias moves last and in one step: whatever fails before leaves the champion as it was,
        and the entry as failed.

        Raises:
            SkipcastError: the registry does not answer, or another has changed the champion since.
        """
        entry = _dated(entry)
        what = f"record a decision on version {entry.version} of {self.name}"
        with store_errors(what), self.ledger.write(entry, files, scores) as run_id:
            self._tag(entry, run_id)
            self.files.record(entry.version, run_id)
            if entry.decision in MOVES:
                self._move(entry)
        return entry

    def end_dead(self) -> None:
        """End the decisions whose process was killed, where no other process decides.

        Raises:
            SkipcastError: the registry does not answer.
        """
        self.ledger.end_dead(self.champion())

    def note(self, entry: Entry) -> None:
        """Write to the ledger what happened to a version, which stays as it is.

        Raises:
            SkipcastError: the registry does not answer.
        """
        what = f"note what happened to version {entry.version} of {self.name}"
        with store_errors(what), self.ledger.write(_dated(entry)):
            pass

    def _tag(self, entry: Entry, run_id: str) -> None:
        tags = {
            "decision": entry.decision,
            "decided": entry.when,
            "reason": entry.reason,
            "decision_run": run_id,
        }
        about = entry.reason if entry.decision == "refreshed" else None
        if entry.scores:
            tags |= {f"test_{name}": str(score) for name, (score, *_) in entry.scores.items()}
            accuracy, low, high = entry.scores["accuracy"]
            about = f"Accuracy {accuracy:.4f} ({low:.4f} to {high:.4f}) on the test sessions"
        if about is not None:  # what the UI's list of versions shows
            self.client.update_model_version(self.name, str(entry.version), description=about)
        for key, value in tags.items():
            self.client.set_model_version_tag(self.name, str(entry.version), key, value)

    def _move(self, entry: Entry) -> None:
        present = self.champion()
        if present != entry.champion:
            raise SkipcastError(
                f"The champion of {self.name} must still be version {entry.champion} but another "
                f"has made it {present} meanwhile. Run the command again."
            )
        self.client.set_registered_model_alias(self.name, ALIAS, str(entry.version))

    def history(self) -> list[Entry]:
        """Return all decisions, the latest first."""
        return self.ledger.history()

    def replaced(self, version: int) -> int | None:
        """Return the champion before a version, or what it was refreshed from, was promoted."""
        origin = self.origin(version)
        made = (e for e in self.history() if (e.version, e.decision) == (origin, "promoted"))
        return next((entry.champion for entry in made if entry.status == "FINISHED"), None)

    def test_scores(self, version: int) -> Scores | None:
        """Return the scores that a version, or what it was refreshed from, had when last judged."""
        origin = self.origin(version)
        judged = (e for e in self.history() if e.version == origin and e.status == "FINISHED")
        return next((entry.scores for entry in judged if entry.scores), None)

    def roll_back(self, to: int | None = None) -> Entry:
        """Make an earlier champion champion again: version `to`, or the one before the present.

        Raises:
            SkipcastError: there is no such earlier champion, the message lists those that there
                are; or its files are gone or others than they were.
        """
        present = self.champion()
        moves = [
            entry
            for entry in self.history()
            if entry.status == "FINISHED" and entry.decision in MOVES
        ]
        if to is None:
            made = [e for e in moves if e.decision != "rolled back" and e.version == present]
            to = made[0].champion if made else None
        earlier = {entry.version for entry in moves} - {present}
        if to not in earlier:
            listed = ", ".join(map(str, sorted(earlier))) or "none"
            raise SkipcastError(
                f"The version to roll back to must be an earlier champion of {self.name} but got "
                f"{to or 'none before the present one'}. Earlier champions: {listed}. "
                "`skipcast promote --history` lists all decisions."
            )
        if fault := self.files.fault(to):
            others = ", ".join(map(str, sorted(earlier - {to}))) or "there is none"
            raise SkipcastError(
                f"{self.files.of(to)}, to go back to, {fault}. Name another earlier "
                f"champion by --to: {others}."
            )
        entry = Entry("rolled back", to, present, f"from version {present}, by hand")
        return self.carry_out(entry)


def _dated(entry: Entry) -> Entry:
    now = datetime.now(UTC).isoformat(timespec="seconds")
    return replace(entry, when=now, commit=git_commit())


def store() -> str:
    """Return what messages call the registry's place."""
    return f"the MLflow store {hide_credentials(mlflow.get_registry_uri() or '')}"
