"""The commit of a project that was cloned, downloaded, unpacked or copied in one way or another."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from skipcast.commits import git_commit, in_repository


@pytest.fixture(autouse=True)
def nobody(tmp_path, monkeypatch):
    """Give git neither settings nor an identity but what a command says."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")


def git(folder: Path, *arguments: str) -> str:
    identity = ["-c", "user.name=test", "-c", "user.email=test@example.org"]
    command = ["git", "-C", str(folder), *identity, *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def write(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "dvc.yaml").write_text("stages: {}\n")
    return folder


@pytest.fixture
def project(tmp_path):
    """Return a project whose files are committed."""
    folder = write(tmp_path / "project")
    git(folder, "init", "--quiet")
    git(folder, "add", ".")
    git(folder, "commit", "--quiet", "-m", "first")
    return folder


def test_a_clone_has_one(project):
    assert git_commit(project) == git(project, "rev-parse", "HEAD")
    assert in_repository(project)


def test_a_shallow_clone_has_one(project, tmp_path):
    git(project, "commit", "--quiet", "--allow-empty", "-m", "second")
    git(tmp_path, "clone", "--quiet", "--depth", "1", project.as_uri(), "shallow")
    assert git(tmp_path / "shallow", "rev-list", "--count", "HEAD") == "1"
    assert git_commit(tmp_path / "shallow") == git(project, "rev-parse", "HEAD")


def test_a_linked_worktree_has_one(project, tmp_path):
    git(project, "worktree", "add", "--quiet", str(tmp_path / "linked"))
    assert git_commit(tmp_path / "linked") == git(project, "rev-parse", "HEAD")


def test_a_packed_repository_has_one(project):
    expected = git(project, "rev-parse", "HEAD")
    git(project, "gc", "--quiet")
    assert git_commit(project) == expected


def test_an_unpacked_archive_has_none(tmp_path):
    assert git_commit(write(tmp_path / "archive")) is None
    assert not in_repository(tmp_path / "archive")


@pytest.mark.parametrize("ignored", [False, True])
def test_an_archive_unpacked_in_another_repository_has_none(project, ignored):
    (project / ".gitignore").write_text("archive/\n" if ignored else "")
    archive = write(project / "archive")
    assert git_commit(archive) is None
    assert not in_repository(archive)


def test_a_project_that_another_repository_has_committed_has_its_commit(project):
    part = write(project / "models/skips")
    git(project, "add", ".")
    git(project, "commit", "--quiet", "-m", "with part")
    assert git_commit(part) == git(project, "rev-parse", "HEAD")


def test_a_repository_without_a_commit_has_none(tmp_path):
    folder = write(tmp_path / "new")
    git(folder, "init", "--quiet")
    assert git_commit(folder) is None
    assert in_repository(folder)


def test_a_worktree_whose_repository_is_gone_has_none(project, tmp_path):
    git(project, "worktree", "add", "--quiet", str(tmp_path / "linked"))
    shutil.rmtree(project)
    assert git_commit(tmp_path / "linked") is None
    assert not in_repository(tmp_path / "linked")


def test_no_git_program_is_needed(project, monkeypatch):
    expected = git(project, "rev-parse", "HEAD")
    monkeypatch.setenv("PATH", "")
    assert git_commit(project) == expected


@pytest.mark.skipif(os.getuid() != 0, reason="only root may give files to another user")
def test_another_users_checkout_has_one(project):
    expected = git(project, "rev-parse", "HEAD")
    for path in (project, *project.rglob("*")):
        os.chown(path, 12345, 12345)
    with pytest.raises(subprocess.CalledProcessError):  # dubious ownership
        git(project, "rev-parse", "HEAD")
    assert git_commit(project) == expected
