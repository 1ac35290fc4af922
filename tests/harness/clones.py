"""A clone of the project as a new user has it, and its command line."""

import shutil
import subprocess
from pathlib import Path

import yaml

from harness.servers import ROOT, environment


class Clone:
    """A clone of the project as a new user has it, and its command line."""

    def __init__(self, folder: Path, home: Path) -> None:
        self.folder = folder
        # Not this process's database and store: MLflow sets variables for the runs that tests make.
        mine = ("DATABASE_URL", "MLFLOW_")
        self.env = {k: v for k, v in environment().items() if not k.startswith(mine)}
        self.env["HOME"] = str(home)

    def run(self, *command: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command, cwd=self.folder, env=self.env, capture_output=True, text=True, check=False
        )

    def must(self, *command: str) -> str:
        """Run a command that must succeed; return what it printed."""
        done = self.run(*command)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout + done.stderr

    def set_params(self, **sections: dict[str, object]) -> None:
        path = self.folder / "params.yaml"
        content = yaml.safe_load(path.read_text())
        for section, changes in sections.items():
            content[section] |= changes
        path.write_text(yaml.safe_dump(content))

    def outputs(self) -> dict[str, bytes]:
        files = [*self.folder.glob("data/*.*"), *self.folder.glob("metrics/*/*.json")]
        return {str(path.relative_to(self.folder)): path.read_bytes() for path in files}


def make_clone(folder: Path, home: Path) -> Clone:
    """Make a clone in which nothing has run, as it is in the working tree."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    made = ("dvc.lock", "metrics/")  # by runs in this working tree
    for name in sorted(n for n in listed.stdout.split("\0") if n and not n.startswith(made)):
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if (ROOT / name).is_file():
            shutil.copyfile(ROOT / name, target)
    clone = Clone(folder, home)
    clone.must("git", "init", "--quiet")
    clone.must("git", "add", ".")
    clone.must("git", "config", "user.name", "test")
    clone.must("git", "config", "user.email", "test@example.org")
    clone.must("git", "commit", "--quiet", "-m", "clone")
    return clone
