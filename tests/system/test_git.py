"""The project as it comes: cloned, downloaded, unpacked somewhere, another user's, without git."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from harness.servers import ROOT, SCRIPTS, environment

PARTS = (
    "dvc.yaml",
    "conda.yaml",
    "MLproject",
    "params.yaml",
    ".dvc/config",
    ".dvc/.gitignore",
    ".dvcignore",
    ".gitignore",
    "src",
)
WITHOUT = "This folder is in no git repository"


def git(folder: Path, *arguments: str) -> None:
    identity = ["-c", "user.name=test", "-c", "user.email=test@example.org"]
    subprocess.run(["git", "-C", folder, *identity, *arguments], check=True, capture_output=True)


def unpack(folder: Path) -> Path:
    """Make the project as an archive holds it, with small data."""
    for name in PARTS:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        if (ROOT / name).is_dir():
            ignored = shutil.ignore_patterns("__pycache__")
            shutil.copytree(ROOT / name, folder / name, ignore=ignored)
        else:
            shutil.copy(ROOT / name, folder / name)
    params = yaml.safe_load((folder / "params.yaml").read_text())
    params["fetch"] |= {"twin_sessions": 300, "rows": 4000}
    (folder / "params.yaml").write_text(yaml.safe_dump(params))
    return folder


def commit(folder: Path) -> Path:
    git(folder, "init", "--quiet")
    git(folder, "add", ".")
    git(folder, "commit", "--quiet", "-m", "project")
    return folder


def archive(folder: Path) -> Path:
    return unpack(folder / "project")


def within_another(folder: Path) -> Path:
    (folder / "other.txt").write_text("other")
    return unpack(commit(folder) / "project")


def ignored_by_another(folder: Path) -> Path:
    (folder / ".gitignore").write_text("*\n!.gitignore\n")
    return unpack(commit(folder) / "project")


def part_of_another(folder: Path) -> Path:
    unpack(folder / "project")
    return commit(folder) / "project"


def without_a_commit(folder: Path) -> Path:
    project = archive(folder)
    git(project, "init", "--quiet")
    return project


def shallow(folder: Path) -> Path:
    project = commit(archive(folder))
    git(project, "commit", "--quiet", "--allow-empty", "-m", "second")
    git(folder, "clone", "--quiet", "--depth", "1", project.as_uri(), "shallow")
    return folder / "shallow"


def of_another_user(folder: Path) -> Path:
    if os.getuid() != 0:
        pytest.skip("only root may give files to another user")
    project = commit(archive(folder))
    for path in (project, *project.rglob("*")):
        os.chown(path, 12345, 12345)
    return project


def worktree_alone(folder: Path) -> Path:
    project = commit(archive(folder))
    git(project, "worktree", "add", "--quiet", str(folder / "linked"))
    shutil.rmtree(project)
    return folder / "linked"


MAKERS = {
    archive: False,
    within_another: False,
    ignored_by_another: False,
    worktree_alone: False,
    part_of_another: True,
    without_a_commit: True,
    shallow: True,
    of_another_user: True,
}  # and whether a repository holds the project


@pytest.fixture
def env(tmp_path: Path) -> dict[str, str]:
    """Return variables under which git knows nobody."""
    (tmp_path / "home").mkdir()
    return environment() | {"HOME": str(tmp_path / "home"), "GIT_CONFIG_NOSYSTEM": "1"}


def run(folder: Path, env: dict[str, str], *command: str | Path) -> str:
    """Run a command that must succeed; return what it printed."""
    done = subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def check(project: Path, env: dict[str, str], *, held: bool) -> None:
    printed = run(project, env, sys.executable, ROOT / "tools/scm.py")
    assert (WITHOUT in printed) is not held
    run(project, env, SCRIPTS / "dvc", "repro", "fetch")
    assert (project / "data/plays").is_dir()


@pytest.mark.parametrize("make", MAKERS, ids=lambda make: make.__name__)
def test_the_pipeline_runs(tmp_path, env, make):
    check(make(tmp_path), env, held=MAKERS[make])


@pytest.mark.parametrize("make", [archive, shallow], ids=lambda make: make.__name__)
def test_the_pipeline_runs_without_a_git_program(tmp_path, env, make):
    project = make(tmp_path)
    check(project, env | {"PATH": str(SCRIPTS)}, held=MAKERS[make])


def test_what_is_typed_makes_a_repository_that_dvc_uses(tmp_path, env):
    project = archive(tmp_path)
    scm = (sys.executable, ROOT / "tools/scm.py")
    typed = run(project, env, *scm).strip().partition("To change that: ")[2]
    names = ("AUTHOR_NAME", "AUTHOR_EMAIL", "COMMITTER_NAME", "COMMITTER_EMAIL")
    identity = {f"GIT_{name}": "test" for name in names}
    run(project, env | identity, "sh", "-c", typed)
    assert run(project, env, *scm) == "DVC uses the git repository of this folder.\n"
    assert run(project, env, *scm) == ""
    run(project, env, SCRIPTS / "dvc", "metrics", "diff")


def test_mlflow_does_not_tell_that_there_is_no_git_program(tmp_path, env):
    code = (
        "import sys; sys.argv = ['skipcast', '--help']\n"
        "from skipcast.cli.main import main\n"
        "try:\n    main()\nexcept SystemExit:\n    pass\n"
        "from mlflow.utils.git_utils import get_git_commit\n"
        "assert get_git_commit('.') is None"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=archive(tmp_path), env=env | {"PATH": str(SCRIPTS)}, capture_output=True, check=True,
    )  # fmt: skip
    assert done.stderr == b""
