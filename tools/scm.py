"""Has DVC do without git where no repository holds the project, as one from a downloaded archive.

`python tools/scm.py`, after each installation: DVC would stop with an error, or ask the repository
of another project in which this one was unpacked.
"""

import subprocess
import sys
from configparser import ConfigParser
from pathlib import Path

from skipcast.commits import in_repository

SETTING = "core.no_scm"
LOCAL = Path(".dvc/config.local")
WITH = "DVC uses the git repository of this folder."
WITHOUT = (
    "This folder is in no git repository: DVC does without, and the commit of what you make is "
    "written as missing. To change that: git init && git add . && git commit -m skipcast"
)


def main() -> None:
    """Set or unset DVC's setting in the current folder, if it has to change."""
    is_without = reads_without(LOCAL)
    if in_repository() == is_without:
        change = ["--unset", SETTING] if is_without else [SETTING, "true"]
        command = [sys.executable, "-m", "dvc", "config", "--quiet", "--local", *change]
        if done := subprocess.run(command, check=False).returncode:
            sys.exit(done)
        print(WITH if is_without else WITHOUT)


def reads_without(path: Path) -> bool:
    """Tell whether DVC's settings of this folder have it do without git."""
    config = ConfigParser(interpolation=None)
    config.read(path, encoding="utf-8")
    return config.getboolean(*SETTING.split("."), fallback=False)


if __name__ == "__main__":
    main()
