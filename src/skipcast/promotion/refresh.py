"""The champion with a newer listener table: the same classifier and code, and no search.

What a model knows of its listeners ends with its training. `refresh` copies the champion's files,
puts a table in place that counts all that was played since, and registers that as a version of its
own. The alias moves last: whatever fails before leaves the champion as it was.
"""

import json
import tempfile
from pathlib import Path

import pandas as pd
from mlflow import MlflowClient
from mlflow.entities import LoggedModel, LoggedModelStatus

from skipcast.errors import SkipcastError
from skipcast.features.listener_counts import TABLE, count_listeners
from skipcast.features.table import with_label
from skipcast.files import write_parquet
from skipcast.mlflow_store.client import store_errors
from skipcast.mlflow_store.place import MAKE_AGAIN
from skipcast.mlflow_store.trust import CARD, VERSION, VERSIONS
from skipcast.promotion.ledger import Entry
from skipcast.promotion.listener_table import newer, plays_of, until
from skipcast.promotion.registry import Registry
from skipcast.serving.listeners import LISTENERS

FILES = Path("artifacts")


def refresh(registry: Registry, plays: pd.DataFrame, *, data: str | None = None) -> Entry | None:
    """Make the champion's model with a newer listener table the champion.

    Args:
        registry: of the model.
        plays: raw plays of all sessions so far, columns `schema.LOG`, in order of session and
            position.
        data: their fingerprint, for the ledger.

    Returns:
        The entry of the ledger; None where the champion's table counts all these plays already,
        and nothing was changed.

    Raises:
        SkipcastError: there is no champion, or it has no listener table; the plays are not of its
            listeners, or older than its table; or the registry does not answer.
    """
    with tempfile.TemporaryDirectory(prefix="skipcast.") as name:
        version, folder, _ = registry.take_champion(Path(name))
        before = _table(folder, version)
        about = json.loads((folder / FILES / "model.json").read_text(encoding="utf-8"))
        table = newer(before, count_listeners(with_label(plays, about["skip"]))[1])
        if table is None:
            return None
        reason = _reason(before, table)
        write_parquet(folder / FILES / LISTENERS, table)
        _note(folder / CARD, f"Version {version} of {registry.name}, refreshed: {reason}.")
        uri = _log_copy(registry, version, folder)
    made = registry.register(uri, registry.family(version), origin=version)
    return registry.carry_out(Entry("refreshed", made, version, reason, data))


def _table(folder: Path, version: int) -> pd.DataFrame:
    """Return the listener table of the champion's files."""
    file = folder / FILES / LISTENERS
    table = pd.read_parquet(file) if file.exists() else pd.DataFrame()
    if table.empty:
        raise SkipcastError(
            f"The champion must know listeners to be refreshed but version {version} has no "
            "listener table: it was trained on plays that name none, without the features "
            "listener_history, or by an earlier skipcast. Name an export of a listener's own "
            "history by fetch.source and leave features.groups null, then `dvc repro`."
        )
    if list(table) != [*TABLE]:
        raise SkipcastError(
            "The champion must have a listener table of this skipcast to be refreshed but that of "
            f"version {version} has the columns {', '.join(map(str, table))}. {MAKE_AGAIN} makes "
            "a model that has."
        )
    return table


def _reason(before: pd.DataFrame, after: pd.DataFrame) -> str:
    more = plays_of(after).sum() - plays_of(before).sum()
    return f"the listener table counts {more:,} plays more, up to {until(after)}"


def _note(card: Path, text: str) -> None:
    """Write what is new about a version above its card, which tells of the one before."""
    if card.exists():
        card.write_text(f"**{text}**\n\n{card.read_text(encoding='utf-8')}", encoding="utf-8")


def _end_dead(client: MlflowClient, of: LoggedModel) -> None:
    """End the copies of a model that a process was logging when it was killed."""
    copies = client.search_logged_models(
        [of.experiment_id], f"source_run_id = '{of.source_run_id}'"
    )
    for copy in copies:
        if copy.status == LoggedModelStatus.PENDING:
            client.finalize_logged_model(copy.model_id, LoggedModelStatus.FAILED)


def _log_copy(registry: Registry, version: int, folder: Path) -> str:
    """Log the files of a folder as a model beside that of a version; return MLflow's name of it."""
    client, model_id = registry.client, registry.logged_model(version)
    if model_id is None:
        raise SkipcastError(
            f"The champion must be a logged model to be refreshed but version {version} holds "
            f"other files. {MAKE_AGAIN} makes another one."
        )
    with store_errors(f"log version {version} of {registry.name} anew"):
        before = client.get_logged_model(model_id)
        _end_dead(client, before)
        made = client.create_logged_model(
            before.experiment_id,
            name=before.name,
            source_run_id=before.source_run_id,
            tags={name: tag for name, tag in before.tags.items() if name != VERSIONS},
            params=before.params,
            model_type=before.model_type,
        )
        (folder / VERSION).unlink(missing_ok=True)
        file = folder / "MLmodel"
        text = file.read_text(encoding="utf-8").replace(before.model_id, made.model_id)
        file.write_text(text, encoding="utf-8")
        client.log_model_artifacts(made.model_id, str(folder))
        client.finalize_logged_model(made.model_id, LoggedModelStatus.READY)
    return str(made.model_uri)
