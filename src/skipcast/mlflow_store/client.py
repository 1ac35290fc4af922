"""Opens the MLflow store, makes experiments in it, and tells in whose words what went wrong."""

import json
import logging
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from http import HTTPStatus
from pathlib import Path
from urllib.parse import urlsplit
from uuid import uuid4

import mlflow
import requests
from alembic.util import CommandError
from mlflow import MlflowClient
from mlflow.entities import Experiment
from mlflow.exceptions import MlflowException
from mlflow.utils.credentials import get_default_host_creds
from mlflow.utils.rest_utils import http_request
from sqlalchemy.exc import SQLAlchemyError

from skipcast.errors import SkipcastError, hide_credentials
from skipcast.mlflow_store.place import (
    ARTIFACTS,
    SQLITE,
    VARIABLE,
    choose_store,
    make_relative,
    out_of_reach,
    sqlite_file,
    typed,
)

OLDEST = 3  # major version of a server that knows logged models
REQUEST: Callable[..., requests.Response] = http_request
CREDENTIALS: Callable[[str], object] = get_default_host_creds
WORDS = 300  # characters of an answer that a message repeats
FULL = "database or disk is full"  # in an error of SQLite
STATEMENT = "\n[SQL: "  # begins what SQLAlchemy adds to an error

# It would print where in MLflow's code an error happened, which is raised, too.
logging.getLogger("mlflow.store.db.utils").setLevel(logging.CRITICAL)


@contextmanager
def store_errors(what: str, *others: type[Exception]) -> Iterator[None]:
    """Raise an error of MLflow as one that a user can mend.

    Args:
        what: MLflow was to do.
        others: errors that are MLflow's here, besides its own.
    """
    errors: tuple[type[Exception], ...] = (MlflowException, requests.RequestException, *others)
    try:
        yield
    except errors as error:
        uri = hide_credentials(mlflow.get_tracking_uri())
        reason = str(error).partition(STATEMENT)[0]
        if FULL in reason:
            raise SkipcastError(
                f"The disk must have room for the MLflow store {uri} but is full. Make room, then "
                "type the command again: what is finished is kept, and the champion was not "
                "changed."
            ) from error
        raise SkipcastError(
            f"The MLflow store {uri} must {what} but failed: "
            f"{hide_credentials(reason)}\nStart or mend the server, or correct "
            f"{VARIABLE}, then type the command again: what is finished is kept, and the champion "
            "was not changed."
        ) from error


def open_client() -> MlflowClient:
    """Open the store that MLFLOW_TRACKING_URI names, or else that in the root of the project.

    Raises:
        SkipcastError: it does not answer, is no MLflow store or too old a one, or `choose_store`
            refuses it.
    """
    choose_store()
    uri = mlflow.get_tracking_uri()
    # Where a database cannot be opened, its errors come as they are.
    with store_errors("answer", SQLAlchemyError, CommandError, OSError):
        if urlsplit(uri).scheme in ("http", "https"):
            _check_server(uri)
        client = MlflowClient()
        client.search_experiments(max_results=1)
    return client


def _check_server(uri: str) -> None:
    """Ask a server something harmless: what it answers tells whether it will do."""
    ask = partial(REQUEST, CREDENTIALS(uri), raise_on_status=False)
    answer = ask("/api/2.0/mlflow/experiments/search", "POST", json={"max_results": 1})
    fault = _fault(answer, urlsplit(uri).netloc.rpartition("@")[2])
    if fault is None:
        version = ask("/version", "GET")  # a server behind a proxy may tell none
        number = re.match(r"\d+(?=\.\d)", version.text)
        if number is not None and int(number[0]) < OLDEST:
            fault = f"be of version {OLDEST} or later but is {version.text[:20]}. Update it"
    if fault is not None:
        raise SkipcastError(
            f"The MLflow server {hide_credentials(uri)} must {fault}, or name another one in "
            f"{VARIABLE}."
        )


def _fault(answer: requests.Response, host: str) -> str | None:
    """Return what is wrong with a server's answer, and what to do about it; None if nothing is."""
    words = f"answers HTTP {answer.status_code}: {_words(answer.text)}"
    if answer.status_code == HTTPStatus.UNAUTHORIZED:
        return (
            f"know who asks but {words}\nSet MLFLOW_TRACKING_USERNAME and "
            "MLFLOW_TRACKING_PASSWORD, or MLFLOW_TRACKING_TOKEN"
        )
    if answer.status_code == HTTPStatus.FORBIDDEN:
        return (
            f"let us in but {words}\nIf it does not know itself by this name, start it by `mlflow "
            f"server --allowed-hosts {host}`; else let its keeper allow you in"
        )
    if answer.status_code >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return f"work but {words}\nMend it"
    if answer.status_code != HTTPStatus.OK or not _lists_experiments(answer.text):
        return f"be one of MLflow but {words}\nCorrect the address"
    return None


def _words(text: str) -> str:
    """Return what an answer says to a reader, without tags of HTML and line ends."""
    plain = re.sub(r"<(style|script).*?</\1>|<[^>]*>", " ", text, flags=re.DOTALL)
    return " ".join(plain.split())[:WORDS]


def _lists_experiments(text: str) -> bool:
    try:
        content = json.loads(text)
    except ValueError:
        return False
    return isinstance(content, dict) and (not content or "experiments" in content)


def promotions_of(model: str) -> str:
    """Return the name of the experiment that records the promotions of a registered model.

    >>> promotions_of("skipcast")
    'skipcast-promotions'
    """
    return f"{model}-promotions"


def find_experiment(client: MlflowClient, name: str) -> Experiment | None:
    """Return an experiment, or None.

    Raises:
        SkipcastError: it was deleted, or the store does not answer.
    """
    with store_errors(f"tell about the experiment {name}"):
        found = client.get_experiment_by_name(name)
    if found is None:
        return None
    if found.lifecycle_stage != "active":
        restore = typed(f"mlflow experiments restore -x {found.experiment_id}")
        raise SkipcastError(
            f"The MLflow experiment {name} must be active but got {found.lifecycle_stage}. "
            f"`{restore}` brings it back; or take another name in params.yaml."
        )
    return found


def check_experiment(client: MlflowClient, name: str) -> Experiment | None:
    """Find out before the work whether an experiment can be written to; return it, or None.

    Raises:
        SkipcastError: as `find_experiment`, or its artifacts are out of reach.
    """
    found = find_experiment(client, name)
    if found is not None:
        check_in_reach(f"the experiment {name}", str(found.artifact_location))
    return found


def check_in_reach(what: str, place: str) -> None:
    """Refuse artifacts of another folder or machine: MLflow would look for them, and write, here.

    Raises:
        SkipcastError: they are out of reach.
    """
    why = out_of_reach(place)
    if why is not None:
        raise SkipcastError(
            f"The artifacts of {what} must be in reach of this folder but {why}. Type the command "
            f"there, without {VARIABLE}; or name another store by it, for example "
            f"`export {VARIABLE}={SQLITE}$HOME/skipcast.db`."
        )


def make_experiment(client: MlflowClient, name: str) -> str:
    """Find or make an experiment whose artifacts stay with the store; return its id.

    Raises:
        SkipcastError: as `check_experiment`.
    """
    found = check_experiment(client, name)
    if found is not None:
        return str(found.experiment_id)
    path = sqlite_file(mlflow.get_tracking_uri())
    with store_errors(f"make the experiment {name}"):
        try:
            client.create_experiment(name, _place(path))
        except MlflowException as error:
            # Two processes may start at once: the other was quicker.
            if error.error_code != "RESOURCE_ALREADY_EXISTS":
                raise
        if path is not None and path.parent == Path.cwd():
            make_relative(path, name)
        made = client.get_experiment_by_name(name)
    assert made is not None
    return str(made.experiment_id)


def _place(store: Path | None) -> str | None:
    """Return where the artifacts of a new experiment are to be, None for where the store says.

    A SQLite store in another folder would have them here, where they may be deleted.
    """
    if store is None or store.parent == Path.cwd():
        return None
    return f"{(store.parent / ARTIFACTS).as_uri()}/{uuid4().hex}"
