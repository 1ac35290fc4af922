"""The MLflow registry: the versions of the model, and which of them is champion.

A decision is in the ledger (`ledger.py`) and on the version that it is about, as tags.
"""

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import mlflow
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException

from skipcast.commits import git_commit
from skipcast.errors import SkipcastError
from skipcast.promotion.alias import ALIAS, champion_uri
from skipcast.promotion.ledger import Entry, Ledger, registry_errors


class Registry:
    """The versions of one registered model."""

    def __init__(self, name: str) -> None:
        """Open the registry of the current tracking URI; `name` may be new."""
        self.name = name
        self.client = MlflowClient()
        self._ledger = Ledger(name, self.client)

    def champion(self) -> int | None:
        """Return the version that has the alias, or None.

        Raises:
            SkipcastError: the registry does not answer.
        """
        with registry_errors(f"tell the champion of {self.name}"):
            try:
                version = self.client.get_model_version_by_alias(self.name, ALIAS).version
            except MlflowException as error:
                if error.error_code in ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"):
                    return None  # no such model, or no such alias
                raise
        return int(version)

    def require_champion(self) -> int:
        """Return the version that has the alias.

        Raises:
            SkipcastError: none has it, or the registry does not answer.
        """
        version = self.champion()
        if version is None:
            raise SkipcastError(
                f"{champion_uri(self.name)} must be registered but is not: {self.name} has no "
                f"version with the alias {ALIAS}. `dvc repro` makes it."
            )
        return version

    def find(self, run_id: str) -> int | None:
        """Return the version that holds the model of a run, or None."""
        with registry_errors(f"list the versions of {self.name}"):
            versions = self.client.search_model_versions(
                f"name = '{self.name}' and run_id = '{run_id}'"
            )
        return int(versions[0].version) if versions else None

    def register(self, model_uri: str, run_id: str, family: str) -> int:
        """Register the model of a run, once however often it is promoted."""
        version = self.find(run_id)
        if version is not None:
            return version
        with registry_errors(f"register a version of {self.name}"):
            registered = mlflow.register_model(model_uri, self.name, tags={"family": family})
        return int(registered.version)

    def family(self, version: int) -> str:
        """Return the family of a version, as `register` noted it."""
        with registry_errors(f"tell about version {version} of {self.name}"):
            tags = self.client.get_model_version(self.name, str(version)).tags
        return tags.get("family", "unknown")

    def settings(self, run_id: str) -> dict[str, str]:
        """Return the hyperparameters that a run logged."""
        with registry_errors(f"tell about the run {run_id}"):
            return dict(self.client.get_run(run_id).data.params)

    def attach(self, model_uri: str, file: Path) -> None:
        """Put a file beside the model itself, so that who gets the model gets it, too."""
        with registry_errors(f"take {file.name} for {model_uri}"):
            self.client.log_model_artifact(model_uri.removeprefix("models:/"), str(file))

    def carry_out(self, entry: Entry, files: Path | None = None) -> Entry:
        """Write `entry` and the `files` of a folder to the ledger; then move the alias if need be.

        The alias moves last and in one step: whatever fails before leaves the champion as it was,
        and the entry as failed.

        Raises:
            SkipcastError: the registry does not answer, or another has changed the champion since.
        """
        now = datetime.now(UTC).isoformat(timespec="seconds")
        entry = replace(entry, when=now, commit=git_commit())
        what = f"record a decision on version {entry.version} of {self.name}"
        with registry_errors(what), self._ledger.write(entry, files) as run_id:
            self._tag(entry, run_id)
            if entry.decision in ("promoted", "rolled back"):
                self._move(entry)
        return entry

    def _tag(self, entry: Entry, run_id: str) -> None:
        tags = {
            "decision": entry.decision,
            "decided": entry.when,
            "reason": entry.reason,
            "decision_run": run_id,
        }
        if entry.scores:
            tags |= {f"test_{name}": str(score) for name, (score, *_) in entry.scores.items()}
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
        return self._ledger.history()

    def roll_back(self, to: int | None = None) -> Entry:
        """Make an earlier champion champion again: version `to`, or the one before the present.

        Raises:
            SkipcastError: there is no such earlier champion; the message lists those that there
                are.
        """
        present = self.champion()
        moves = [
            entry
            for entry in self.history()
            if entry.status == "FINISHED" and entry.decision in ("promoted", "rolled back")
        ]
        if to is None:
            promotions = [e for e in moves if e.decision == "promoted" and e.version == present]
            to = promotions[0].champion if promotions else None
        earlier = {entry.version for entry in moves} - {present}
        if to not in earlier:
            listed = ", ".join(map(str, sorted(earlier))) or "none"
            raise SkipcastError(
                f"The version to roll back to must be an earlier champion of {self.name} but got "
                f"{to or 'none before the present one'}. Earlier champions: {listed}. "
                "`skipcast promote --history` lists all decisions."
            )
        entry = Entry("rolled back", to, present, f"from version {present}, by hand")
        return self.carry_out(entry)
