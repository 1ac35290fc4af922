"""Whether the workers of a cluster may do the work: same code, same versions, same folder."""

import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from distributed import Client

from skipcast.errors import SkipcastError

PACKAGES = ("skipcast", "numpy", "pandas", "pyarrow", "lightgbm", "xgboost")


def check_workers(client: Client, root: Path, *, reads_database: bool = False) -> None:
    """Check each worker.

    Args:
        client: of the cluster.
        root: the folder of the project.
        reads_database: whether tasks read from the database.

    Raises:
        SkipcastError: one has another version of something, or cannot write to the folder; the
            message names the worker.
    """
    _check_versions(client.get_versions(packages=PACKAGES))
    inspect = _inspector(reads_database)
    with tempfile.TemporaryDirectory(prefix=".cluster-", dir=root) as folder:
        ours = inspect(folder)
        answers = client.run(inspect, folder, on_error="return")
    for worker, theirs in answers.items():
        if isinstance(theirs, BaseException):
            raise SkipcastError(
                f"The worker {worker} must have the skipcast that this machine has but its own "
                f"fails: {theirs!r}. Install the same commit there, and start it again."
            )
        _check(worker, root, ours, theirs)


def _check_versions(versions: Mapping[str, Any]) -> None:
    ours = _packages(versions["client"])
    for worker, answer in versions["workers"].items():
        theirs = _packages(answer)
        for name in ("python", *PACKAGES):
            if theirs[name] != ours[name]:
                has = f"has {theirs[name]}" if theirs[name] else "does not have it"
                raise SkipcastError(
                    f"The worker {worker} must have {name} {ours[name]}, as this machine has, but "
                    f"{has}. Install there what is installed here (requirements.txt), and start it "
                    "again."
                )


def _packages(answer: Mapping[str, Any]) -> dict[str, str | None]:
    return {name: answer["packages"].get(name) for name in ("python", *PACKAGES)}


def _check(worker: str, root: Path, ours: Mapping[str, str], theirs: Mapping[str, str]) -> None:
    if theirs["fault"]:
        raise SkipcastError(
            f"The worker {worker} must read and write in {root}, the folder of this project, but "
            f"cannot: {theirs['fault']}. Work in a folder that all machines have at the same path, "
            "such as one of NFS."
        )
    if theirs["code"] != ours["code"]:
        raise SkipcastError(
            f"The worker {worker} must have the code of skipcast that this machine has, "
            f"{ours['code']}, but has {theirs['code']}. Install the same commit there, and start "
            "it again."
        )
    if theirs["database"] != ours["database"]:
        raise SkipcastError(
            f"The worker {worker} must have the DATABASE_URL that is set here but has "
            f"{'another one' if theirs['database'] else 'none'}. Set it where the worker starts."
        )


def _inspector(reads_database: bool) -> Callable[[str], dict[str, str]]:
    """Return what tells of a process what must be the same in all.

    It is sent as a whole: what the other machine has may lack it.
    """

    def inspect(folder: str) -> dict[str, str]:
        import hashlib
        import os
        import pathlib
        import tempfile

        import skipcast

        fault = ""
        try:
            with tempfile.TemporaryFile(dir=folder):
                pass
        except OSError as error:
            fault = str(error)
        package = pathlib.Path(str(skipcast.__file__)).parent
        hashed = hashlib.sha256()
        for path in sorted(package.rglob("*")):
            if path.suffix in (".py", ".json"):
                hashed.update(str(path.relative_to(package)).encode() + path.read_bytes())
        # A process goes on with the code that it has read, whatever is written to the files later.
        code = vars(skipcast).setdefault("_code", hashed.hexdigest()[:12])
        url = os.environ.get("DATABASE_URL", "") if reads_database else ""
        database = hashlib.sha256(url.encode()).hexdigest() if url else ""
        return {"fault": fault, "code": code, "database": database}

    return inspect
