"""Where the MLflow store and its artifacts are. No MLflow here: `skipcast predict` starts faster.

MLflow notes where artifacts are as absolute paths. A project that is moved would lose them, and a
copy would go on with the original's. So in the store of a project (a SQLite file in its root) the
places are relative to the root, in which all commands are typed, those of MLflow, too.
"""

import os
import re
import sqlite3
from contextlib import closing
from pathlib import Path
from urllib.parse import quote, unquote

from skipcast.errors import SkipcastError

VARIABLE = "MLFLOW_TRACKING_URI"
# Relative: MLflow's own is the whole path with %20 for a space, which SQLite takes as it is.
DEFAULT = "sqlite:///mlflow.db"
SQLITE = "sqlite:///"
ARTIFACTS = "mlruns"
# What makes search and promotion again, although DVC finds both up to date.
MAKE_AGAIN = "`dvc repro --force --downstream search`"
BRING_BACK = (
    "Bring them back from a backup, go back to an earlier champion by `skipcast rollback`, or make "
    f"another one: {MAKE_AGAIN}"
)
EXPERIMENTS_OF_DVC = (".dvc", "tmp", "exps")  # where `dvc exp run --temp` and `--queue` work
# MLflow's own choice of a place: the folder mlruns of where it ran, then the experiment's id.
ABSOLUTE = re.compile(rf"(?P<root>/(?:.*/)?){ARTIFACTS}/(?P<rest>\d+)")
# Those whose runs carry a tag of this package are its own, and that of a given name.
EXPERIMENTS = """
    SELECT experiment_id, artifact_location, name = ? OR experiment_id IN (
        SELECT experiment_id FROM runs JOIN tags USING (run_uuid)
        WHERE key IN ('search', 'skipcast.decision')
    ) FROM experiments WHERE artifact_location IS NOT NULL
"""
# What MLflow derives from the place of an experiment.
DERIVED = (
    ("runs", "artifact_uri"),
    ("logged_models", "artifact_location"),
    ("model_versions", "source"),
    ("model_versions", "storage_location"),
    ("trace_tags", "value"),
)


def choose_store() -> None:
    """Set MLFLOW_TRACKING_URI where it is not, for this process and those that it starts.

    In a store of this project, make the places of artifacts relative to its root.

    Raises:
        SkipcastError: DVC will delete this folder with the store in it; or the store is damaged.
    """
    root = Path.cwd()
    uri = os.environ.get(VARIABLE) or DEFAULT
    path = sqlite_file(uri)
    if path is not None and not path.exists():  # MLflow hands its default on with %20 for a space
        unquoted = Path(unquote(str(path)))
        if unquoted != path and unquoted.parent == root:
            path, uri = unquoted, f"{SQLITE}{unquoted.name}"
    os.environ[VARIABLE] = uri
    if path is None:
        return
    if path.parent.resolve() != root.resolve():
        return
    _check_lasting(root)
    make_relative(path)


def sqlite_file(uri: str) -> Path | None:
    """Return the whole path of the file of a SQLite store, None for any other.

    >>> sqlite_file("sqlite:////home/me/mlflow.db"), sqlite_file("http://127.0.0.1:5000")
    (PosixPath('/home/me/mlflow.db'), None)
    """
    if not uri.startswith(SQLITE):
        return None
    return Path.cwd() / uri.removeprefix(SQLITE).partition("?")[0]


def typed(command: str) -> str:
    """Return how to type a command of MLflow here.

    Without the variable, MLflow finds no store in a folder whose name has a space or the like.
    """
    if os.environ.get(VARIABLE) == DEFAULT and quote(str(Path.cwd())) != str(Path.cwd()):
        return f"{VARIABLE}={DEFAULT} {command}"
    return command


def _check_lasting(root: Path) -> None:
    """Refuse a store that is deleted as soon as DVC has ended the experiment."""
    parts = root.parts
    if not any(parts[i : i + 3] == EXPERIMENTS_OF_DVC for i in range(len(parts))):
        return
    raise SkipcastError(
        "The MLflow store must outlive the experiment but would be deleted with the folder in "
        "which `dvc exp run --temp` and `--queue` work. Name one elsewhere before you type them, "
        f"such as `export {VARIABLE}={SQLITE}$HOME/skipcast.db`; or leave these options out."
    )


def out_of_reach(place: str) -> str | None:
    """Return why artifacts cannot be read and written from here, None if they can.

    Args:
        place: of an experiment or a model, as the store has it.
    """
    path = Path(_local(place))
    if re.match(r"[a-z0-9+-]+:", str(path)):
        return None
    store = sqlite_file(os.environ[VARIABLE])
    if store is not None:
        here = path.is_absolute() or store.parent.resolve() == Path.cwd().resolve()
        return None if here else f"are known by their place in {store.parent}, {path}"
    # Of a machine that is not the server's: it lacks what holds the folder of all artifacts.
    here = path.is_absolute() and path.parent.parent.is_dir()
    return None if here else f"are files where the server runs, {path}"


def make_relative(path: Path, name: str | None = None) -> None:
    """Note where artifacts are relative to the folder of a SQLite store.

    It does so for experiments of this package, and for those of a project that was moved or copied
    here: their files are here, or gone from there, or there is a store of its own beside them.
    Others stay as they are, such as those of a notebook in another folder.

    Args:
        path: of the store.
        name: of an experiment of this package that has no run yet.

    Raises:
        SkipcastError: the file is no MLflow store, or cannot be written.
    """
    moves = [
        (id_, place, f"{ARTIFACTS}/{found['rest']}")
        for id_, place, ours in _experiments(path, name)
        if (found := ABSOLUTE.fullmatch(_local(place)))
        and _is_to_move(path, Path(found["root"]), found["rest"], ours=ours)
    ]
    if not moves:
        return
    try:
        with closing(sqlite3.connect(path, timeout=60)) as database, database:
            database.execute("BEGIN IMMEDIATE")
            for id_, old, new in moves:
                _move(database, id_, old, new)
    except sqlite3.Error as error:
        raise _damaged(path, error) from error


def _local(place: str) -> str:
    """Return the path that a place is, if it is one."""
    return unquote(place.removeprefix("file://")) if place.startswith("file:///") else place


def _is_to_move(store: Path, root: Path, experiment: str, *, ours: bool) -> bool:
    if root.resolve() == store.parent.resolve():
        return ours
    here, there = (folder / ARTIFACTS / experiment for folder in (store.parent, root))
    return here.exists() or not there.exists() or (root / store.name).exists()


def _move(database: sqlite3.Connection, experiment: str, old: str, new: str) -> None:
    database.execute(
        "UPDATE experiments SET artifact_location = ? WHERE experiment_id = ?", (new, experiment)
    )
    tables = {name for (name,) in database.execute("SELECT name FROM sqlite_master")}
    for table, column in DERIVED:
        if table in tables:
            database.execute(
                f"UPDATE {table} SET {column} = ? || substr({column}, ?) "
                f"WHERE substr({column}, 1, ?) = ?",
                (new, len(old) + 1, len(old) + 1, f"{old}/"),
            )


def _experiments(path: Path, name: str | None) -> list[tuple[str, str, bool]]:
    """Return of each experiment its id, its place, and whether it is this package's or `name`."""
    if not path.is_file():
        return []
    try:
        # Read-only: to look into a store must not make one.
        with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True, timeout=60)) as database:
            tables = database.execute("SELECT 1 FROM sqlite_master WHERE name = 'experiments'")
            if not tables.fetchall():
                return []
            rows = database.execute(EXPERIMENTS, (name,))
            return [(str(id_), str(place), bool(ours)) for id_, place, ours in rows]
    except sqlite3.Error as error:
        raise _damaged(path, error) from error


def _damaged(path: Path, error: sqlite3.Error) -> SkipcastError:
    return SkipcastError(
        f"{path} must be an MLflow store that can be read and written but is not: {error}. Bring "
        f"it back from a backup, or move it away, then {MAKE_AGAIN}."
    )
