"""The git repository of the project, and the commit of the code that runs.

The files of git are read without git: there need be no such program, and the folder may be another
user's, which git would refuse.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from dulwich.errors import NotGitRepository
from dulwich.object_store import tree_lookup_path
from dulwich.objects import Commit
from dulwich.repo import Repo, UnsupportedExtension, UnsupportedVersion

MISSING = "missing"  # how a commit is written that is not there


def git_commit(folder: Path = Path()) -> str | None:
    """Return the commit whose files `folder` holds, or None if it holds those of none."""
    with _repository(folder) as repository:
        commit = repository and _commit(repository)
        return commit.id.decode() if commit else None


def in_repository(folder: Path = Path()) -> bool:
    """Tell whether `folder` is in a git repository of its own or in one that has committed it.

    A folder that was merely unpacked within another project's repository is in none.
    """
    with _repository(folder) as repository:
        return repository is not None


@contextmanager
def _repository(folder: Path) -> Iterator[Repo | None]:
    """Yield the repository that `folder` belongs to, or None."""
    folder = folder.resolve()
    try:
        repository = Repo.discover(str(folder))
    except (NotGitRepository, UnsupportedExtension, UnsupportedVersion, OSError):
        yield None
        return
    with repository:
        yield repository if _has(repository, folder) else None


def _has(repository: Repo, folder: Path) -> bool:
    if not Path(repository.controldir()).is_dir():  # a worktree's, whose repository is gone
        return False
    inner = folder.relative_to(Path(repository.path).resolve())
    if not inner.parts:
        return True
    commit = _commit(repository)
    try:
        path = inner.as_posix().encode()
        return bool(commit and tree_lookup_path(repository.__getitem__, commit.tree, path))
    except KeyError:
        return False


def _commit(repository: Repo) -> Commit | None:
    try:
        commit = repository[repository.head()]
    except KeyError:  # nothing is committed yet
        return None
    return commit if isinstance(commit, Commit) else None
