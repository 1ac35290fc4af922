"""Whether the workers of a cluster may do the work: same code, same versions, same folder."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from skipcast.distributed.pool import PACKAGES, DaskPool
from skipcast.errors import SkipcastError
from skipcast.files import unfinished


@dataclass(frozen=True)
class Needs:
    """What the tasks of a stage need besides the folder of the project."""

    variables: tuple[str, ...] = ()  # of the environment, such as DATABASE_URL
    paths: tuple[Path, ...] = ()  # files or folders that they read


def check_workers(pool: DaskPool, needs: Needs) -> None:
    """Check each worker; one that is silent is given up, as while it works.

    Args:
        pool: the workers.
        needs: of the tasks.

    Raises:
        SkipcastError: one has another version of something, cannot write to the folder, or cannot
            read a path; the message names the worker.
    """
    inspect = _inspector(needs)

    async def ask_versions() -> Any:
        return await pool.client.get_versions(packages=PACKAGES)

    async def ask(folder: Path) -> Any:
        return await pool.client.run(inspect, str(folder), on_error="return")

    _check_versions(pool.wait_for(ask_versions(), pool.watch.living))
    with unfinished(pool.root / "cluster") as folder:
        ours = inspect(str(folder))
        answers = pool.wait_for(ask(folder), pool.watch.living)
    for worker in pool.watch.living():
        theirs = answers.get(worker, ours)  # who came later is as good as those who are there
        if isinstance(theirs, BaseException):
            raise SkipcastError(
                f"The worker {worker} must have the skipcast that this machine has but its own "
                f"fails: {theirs!r}. Install the same commit there, and start it again."
            )
        _check(worker, pool.root, ours, theirs)


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


def _check(worker: str, root: Path, ours: Mapping[str, Any], theirs: Mapping[str, Any]) -> None:
    if theirs["fault"]:
        raise SkipcastError(
            f"The worker {worker} must read and write in {root}, the folder of this project, but "
            f"cannot: {theirs['fault']}. Work in a folder that all machines have at the same path, "
            "such as one of NFS."
        )
    if theirs["unread"]:
        raise SkipcastError(
            f"The worker {worker} must read the same files as this machine but cannot: "
            f"{theirs['unread']}. Put the files where all machines have them at the same path."
        )
    if theirs["code"] != ours["code"]:
        raise SkipcastError(
            f"The worker {worker} must have the code of skipcast that this machine has, "
            f"{ours['code']}, but has {theirs['code']}. Install the same commit there, and start "
            "it again."
        )
    for name, value in ours["variables"].items():
        if theirs["variables"][name] != value:
            here = "that is set here" if value else "unset, as here,"
            has = "another one" if theirs["variables"][name] else "none"
            raise SkipcastError(
                f"The worker {worker} must have the variable {name} {here} but has {has}. Set it "
                "where the worker starts."
            )


def _inspector(needs: Needs) -> Callable[[str], dict[str, Any]]:
    """Return what tells of a process what must be the same in all.

    It is sent as a whole: what the other machine has may lack it.
    """
    paths, variables = [str(path.absolute()) for path in needs.paths], needs.variables

    def inspect(folder: str) -> dict[str, Any]:
        import hashlib
        import os
        import pathlib
        import tempfile

        import skipcast
        from skipcast.distributed.pool import installed
        from skipcast.errors import SkipcastError

        installed()  # while the files are those that the process has read
        fault = unread = ""
        try:
            with tempfile.TemporaryFile(dir=folder):
                pass
        except OSError as error:
            fault = str(error)
        try:
            for text in paths:
                if "://" in text:
                    from skipcast import storage

                    storage.check(storage.locate(text))
                    continue
                path = pathlib.Path(text)
                next(path.iterdir(), None) if path.is_dir() else path.open("rb").close()
        except (OSError, SkipcastError) as error:
            unread = str(error).rstrip(".")
        package = pathlib.Path(str(skipcast.__file__)).parent
        hashed = hashlib.sha256()
        for path in sorted(package.rglob("*")):
            if path.suffix in (".py", ".json"):
                hashed.update(str(path.relative_to(package)).encode() + path.read_bytes())
        # A process goes on with the code that it has read, whatever is written to the files later.
        code = vars(skipcast).setdefault("_code", hashed.hexdigest()[:12])
        values = {name: os.environ.get(name, "") for name in variables}
        return {
            "fault": fault,
            "unread": unread,
            "code": code,
            # Not what they hold, as that may be a password.
            "variables": {
                name: hashlib.sha256(value.encode()).hexdigest() if value else ""
                for name, value in values.items()
            },
        }

    return inspect
