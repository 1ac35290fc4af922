"""What of a project must be as if nothing had happened to it."""

import fcntl
import json
import multiprocessing
import os
import sqlite3
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import lightgbm  # noqa: F401 (so that the process that asks a champion need not)
import mlflow.pyfunc  # noqa: F401
import numpy as np
import psutil
import psycopg2
import pyarrow as pa
from chaos_project import Project

from skipcast.clients import batch, scorer
from skipcast.database import embedded
from skipcast.files import hash_bytes, hash_file
from skipcast.mlflow_store.place import DEFAULT

OURS = ("data", "metrics", "reports")  # folders of what stages write
# They name runs and versions, which differ from run to run.
NAMING = {
    "data/search.json",
    "data/refit.json",
    "reports/model_card.md",
    "reports/promotion.json",
}
TABLES = "SELECT relname FROM pg_class JOIN pg_namespace n ON n.oid = relnamespace WHERE nspname"
State = dict[str, Any]


def state(project: Project, **more: str) -> State:
    """Return all of a project that must not depend on what happened to it.

    Args:
        project: whose commands have ended.
        more: variables of the command that asks the champion.
    """
    return {
        "answers of the champion": _champion(project, more),
        **_files(project),
        **_database(project.folder / ".postgres"),
        **store(project.store),
        **locks(project.folder),
        "processes": [" ".join(process.cmdline()[:4]) for process in project.rest()],
    }


def _champion(project: Project, variables: Mapping[str, str]) -> str:
    """Return a hash of what the champion answers, or why it does not.

    A process of its own, which has all imported, loads it as `skipcast predict` does.
    """
    context = multiprocessing.get_context("fork")
    answer = context.SimpleQueue()
    process = context.Process(target=_ask, args=(project, variables, answer.put))
    process.start()
    process.join()
    return "none" if answer.empty() else str(answer.get())


def _ask(project: Project, variables: Mapping[str, str], put: Callable[[str], None]) -> None:
    os.chdir(project.folder)
    os.environ |= {"MLFLOW_TRACKING_URI": DEFAULT, **variables}
    os.environ["MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR"] = "false"
    plays = pa.concat_tables(batch.read(Path("data/plays"))).to_pandas()
    for name in [name for name in sys.modules if name.partition(".")[0] == "skipcast"]:
        del sys.modules[name]  # the model brings its own
    with tempfile.TemporaryDirectory() as copies:
        try:
            trust = scorer.load_file(scorer.TRUST)
            folder, doubt = trust.fetch("models:/skipcast@champion", Path(copies))
            if doubt:
                raise ValueError(doubt)
            model = scorer.load(folder)
            answers = model.predict(plays, params={"score_history": True})["skip_probability"]
        except Exception as error:
            put(f"{type(error).__name__}: {error}")
        else:
            content = answers.to_numpy(np.float64, na_value=np.nan).tobytes()
            put(hash_bytes(content)[:12])


def _hash(path: Path) -> str | None:
    return hash_file(path)[:12] if path.exists() else None


def _files(project: Project) -> State:
    """Return the content of each file that stages and commands write, and the names of others."""
    folder, found = project.folder, {}
    for path in (path for name in OURS for path in (folder / name).rglob("*")):
        name = str(path.relative_to(folder))
        found[name] = "there" if name in NAMING or path.is_dir() else _hash(path)
    found |= {path.name: "there" for path in folder.iterdir()}
    return found


def _database(folder: Path) -> State:
    """Return the content of each table of plays, and the trials that are running."""
    with embedded.running(folder) as url, closing(psycopg2.connect(url)) as connection:
        cursor = connection.cursor()
        cursor.execute(f"{TABLES} = 'skipcast' AND relkind = 'r'")
        found: State = {}
        for (table,) in cursor.fetchall():
            cursor.execute(f"SELECT sum(hashtextextended(t::text, 0)) FROM skipcast.{table} t")
            found[f"table {table}"] = str(cursor.fetchone())
        cursor.execute(f"{TABLES} = 'skipcast_optuna' AND relname = 'trials'")
        if cursor.fetchall():
            cursor.execute("SELECT count(*) FROM skipcast_optuna.trials WHERE state = 'RUNNING'")
            found["running trials"] = cursor.fetchone()
    return found


def store(path: Path) -> State:
    """Return what is unfinished in the MLflow store, if there is one."""
    if not path.exists():
        return {}
    with closing(sqlite3.connect(path)) as database:
        runs = "SELECT name FROM runs WHERE status = 'RUNNING' AND lifecycle_stage = 'active'"
        models = "SELECT name FROM logged_models WHERE status = 1 AND lifecycle_stage = 'active'"
        return {
            "running runs": database.execute(runs).fetchall(),
            "pending models": database.execute(models).fetchall(),
            "champions": len(champion(path)),
        }


def champion(path: Path) -> list[str]:
    """Return the version that has the alias, in a list that is empty without one."""
    if not path.exists():
        return []
    with closing(sqlite3.connect(path)) as database:
        tables = "SELECT name FROM sqlite_master WHERE name = 'registered_model_aliases'"
        if not database.execute(tables).fetchall():
            return []
        rows = database.execute("SELECT version FROM registered_model_aliases")
        return [str(version) for (version,) in rows]


def locks(folder: Path) -> State:
    """Return the locks that are still held."""
    held = [
        f"{name} is held"
        for name in (".dvc/tmp/lock", ".postgres/.users")
        if _is_held(folder / name)
    ]
    return {"locks": [*held, *_listed(folder / ".dvc/tmp/rwlock")]}


def _listed(file: Path) -> Iterator[str]:
    """Yield the locks that DVC has in its list; it passes over those of processes that ended."""
    entries = json.loads(file.read_text() or "{}") if file.exists() else {}
    for mode, paths in entries.items():
        for path, holders in paths.items():
            for holder in holders if isinstance(holders, list) else [holders]:
                if psutil.pid_exists(holder["pid"]):
                    yield f"{path} is locked to {mode} by {holder['cmd']}"


def _is_held(path: Path) -> bool:
    if not path.exists():
        return False
    with path.open("r+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


def differences(expected: State, found: State) -> Iterator[str]:
    """Yield a line for each thing that is not as expected."""
    for name in sorted({*expected, *found}):
        if expected.get(name) != found.get(name):
            yield f"{name}: {found.get(name, 'gone')} instead of {expected.get(name, 'none')}"
