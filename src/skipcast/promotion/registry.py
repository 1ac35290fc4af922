"""The MLflow registry: who is champion, and the ledger of who decided what and when.

An entry of the ledger is an MLflow run in the experiment `<model>-promotions`: it lives where the
registry lives, and concurrent writers only add. The same decision is on the version as tags.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import mlflow
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException
from mlflow.utils.git_utils import get_git_commit

from skipcast.artifacts import Decision
from skipcast.errors import SkipcastError

ALIAS = "champion"
ENTRY = "skipcast.decision"  # the tag that holds an entry as JSON
Spread = Sequence[float]  # a score and its 95 % interval


@dataclass(frozen=True)
class Entry:
    """One decision."""

    decision: Decision
    version: int  # that it is about
    champion: int | None  # before it
    reason: str
    data: str | None = None  # fingerprint of the plays
    scores: Mapping[str, Spread] | None = None  # of the version, on the test sessions
    champion_scores: Mapping[str, Spread] | None = None
    when: str = ""  # UTC, ISO 8601
    commit: str | None = None
    status: str = "FINISHED"  # FAILED where the registry did not do what was decided


@contextmanager
def answering(what: str) -> Iterator[None]:
    """Raise what MLflow raises as an error that a user can mend."""
    try:
        yield
    except MlflowException as error:
        raise SkipcastError(
            f"The MLflow registry {mlflow.get_tracking_uri()} must {what} but did not: {error}\n"
            "The champion was not changed. Start the server or correct MLFLOW_TRACKING_URI."
        ) from error


class Registry:
    """The versions of one registered model."""

    def __init__(self, name: str) -> None:
        """Open the registry of the current tracking URI; `name` may be new."""
        self.name = name
        self.client = MlflowClient()

    def champion(self) -> int | None:
        """Return the version that has the alias, or None.

        Raises:
            SkipcastError: the registry does not answer.
        """
        with answering(f"tell the champion of {self.name}"):
            try:
                version = self.client.get_model_version_by_alias(self.name, ALIAS).version
            except MlflowException as error:
                if error.error_code in ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"):
                    return None  # no such model, or no such alias
                raise
        return int(version)

    def find(self, run_id: str) -> int | None:
        """Return the version that holds the model of a run, or None."""
        with answering(f"list the versions of {self.name}"):
            found = self.client.search_model_versions(
                f"name = '{self.name}' and run_id = '{run_id}'"
            )
        return int(found[0].version) if found else None

    def register(self, model_uri: str, run_id: str, family: str) -> int:
        """Register the model of a run, once however often it is promoted."""
        version = self.find(run_id)
        if version is not None:
            return version
        with answering(f"register a version of {self.name}"):
            made = mlflow.register_model(model_uri, self.name, tags={"family": family})
        return int(made.version)

    def family(self, version: int) -> str:
        """Return the family of a version, as `register` noted it."""
        with answering(f"tell about version {version} of {self.name}"):
            tags = self.client.get_model_version(self.name, str(version)).tags
        return tags.get("family", "unknown")

    def settings(self, run_id: str) -> dict[str, str]:
        """Return the hyperparameters that a run logged."""
        with answering(f"tell about the run {run_id}"):
            return dict(self.client.get_run(run_id).data.params)

    def attach(self, model_uri: str, file: Path) -> None:
        """Put a file beside the model itself, so that who gets the model gets it, too."""
        with answering(f"take {file.name} for {model_uri}"):
            self.client.log_model_artifact(model_uri.removeprefix("models:/"), str(file))

    def carry_out(self, entry: Entry, files: Path | None = None) -> Entry:
        """Write `entry` and the `files` of a folder to the ledger; then move the alias if need be.

        The alias moves last and in one step: whatever fails before leaves the champion as it was,
        and the entry as failed.

        Raises:
            SkipcastError: the registry does not answer, or another has changed the champion since.
        """
        now = datetime.now(UTC).isoformat(timespec="seconds")
        entry = replace(entry, when=now, commit=get_git_commit(str(Path.cwd())))
        what = f"record a decision on version {entry.version} of {self.name}"
        with answering(what), self._run(entry) as run_id:
            if files is not None:
                self.client.log_artifacts(run_id, str(files))
            self._tag(entry, run_id)
            if entry.decision in ("promoted", "rolled back"):
                self._move(entry)
        return entry

    @contextmanager
    def _run(self, entry: Entry) -> Iterator[str]:
        found = self.client.get_experiment_by_name(self._ledger)
        experiment = found.experiment_id if found else self.client.create_experiment(self._ledger)
        text = json.dumps({k: v for k, v in asdict(entry).items() if k != "status"})
        run = self.client.create_run(
            experiment, run_name=f"{entry.decision} {entry.version}", tags={ENTRY: text}
        )
        try:
            yield run.info.run_id
        except BaseException:
            self.client.set_terminated(run.info.run_id, "FAILED")
            raise
        self.client.set_terminated(run.info.run_id, "FINISHED")

    @property
    def _ledger(self) -> str:
        return f"{self.name}-promotions"

    def _tag(self, entry: Entry, run_id: str) -> None:
        tags = {
            "decision": entry.decision,
            "decided": entry.when,
            "reason": entry.reason,
            "decision_run": run_id,
        }
        if entry.scores:
            tags |= {f"test_{name}": str(spread[0]) for name, spread in entry.scores.items()}
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
        """Return all entries of the ledger, the latest first."""
        with answering(f"list the decisions on {self.name}"):
            found = self.client.get_experiment_by_name(self._ledger)
            runs = (
                mlflow.search_runs(
                    [found.experiment_id],
                    filter_string=f"tags.`{ENTRY}` != ''",
                    order_by=["attributes.start_time DESC"],
                    output_format="list",
                )
                if found
                else []
            )
        return [
            replace(Entry(**json.loads(run.data.tags[ENTRY])), status=run.info.status)
            for run in runs
        ]

    def roll_back(self, to: int | None = None) -> Entry:
        """Make an earlier champion champion again: version `to`, or the one before the present.

        Raises:
            SkipcastError: there is no such earlier champion; the message lists those that there
                are.
        """
        present = self.champion()
        taken = [
            e
            for e in self.history()
            if e.status == "FINISHED" and e.decision in ("promoted", "rolled back")
        ]
        if to is None:
            promotions = [e for e in taken if e.decision == "promoted" and e.version == present]
            to = promotions[0].champion if promotions else None
        earlier = {e.version for e in taken} - {present}
        if to not in earlier:
            listed = ", ".join(map(str, sorted(earlier))) or "none"
            raise SkipcastError(
                f"The version to roll back to must be an earlier champion of {self.name} but got "
                f"{to or 'none before the present one'}. Earlier champions: {listed}. "
                "`skipcast promote --history` lists all decisions."
            )
        entry = Entry("rolled back", to, present, f"from version {present}, by hand")
        return self.carry_out(entry)
