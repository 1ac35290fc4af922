"""Refuses a folder in which the packages could not be written or run: `python tools/folder.py`.

It is asked by the Python that will make `.venv`, before the long download.
"""

import errno
import os
import shlex
import shutil
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

NEEDED = 2_500_000_000  # bytes that all packages take, and some more
PROGRAM = ".setup-program"


def main() -> None:
    """End with a message and 1 if the current folder will not do."""
    refusal = refuse(Path.cwd())
    if refusal:
        sys.exit(refusal)


def refuse(folder: Path) -> str | None:
    """Return what is wrong with a folder and what to type, or None."""
    program, quoted = folder / PROGRAM, shlex.quote(str(folder))
    try:
        program.write_text("#!/bin/sh\n")
        program.chmod(0o755)
        subprocess.run([program], check=True)
    except OSError as error:
        if not is_written(program):
            remedy = f"Type: cp -r {quoted} ~/skipcast && cd ~/skipcast && make run"
            if error.errno in (errno.ENOSPC, errno.EDQUOT):
                remedy = "Make room on its disk."
            rule = f"The project's folder must take files but {quoted} does not"
            return f"{rule}: {error.strerror}. {remedy}"
        return (
            f"The project's folder must run programs but {quoted} does not: {error.strerror}. Copy "
            "the project to a disk that is not mounted with noexec, or type: mount -o remount,exec "
            f"{shlex.quote(str(mountpoint(folder)))}"
        )
    finally:
        with suppress(OSError):
            program.unlink()
    return refuse_small(folder)


def is_written(path: Path) -> bool:
    """Tell whether a file holds something."""
    return path.exists() and path.stat().st_size > 0


def refuse_small(folder: Path) -> str | None:
    """Return what is wrong if the folder's disk has no room for `.venv` and there is none yet."""
    free = shutil.disk_usage(folder).free
    if free >= NEEDED or (folder / ".venv/lib").exists():
        return None
    return (
        f"The project's disk must have {NEEDED // 10**6} MB free but has {free // 10**6} MB. Make "
        "room, or copy the project to another disk."
    )


def mountpoint(folder: Path) -> Path:
    """Return where the disk of a folder is mounted."""
    return next(path for path in (folder, *folder.parents) if os.path.ismount(path))


if __name__ == "__main__":
    main()
