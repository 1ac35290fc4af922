"""What deploy/ has others start: the commands and variables of its units and of its cron line."""

import re
import shlex
from pathlib import Path

from harness.servers import ROOT


def unit(name: str, **places: Path) -> tuple[list[str], dict[str, str]]:
    """Return the command of a systemd unit and the variables that systemd gives it.

    Args:
        name: of the file.
        places: what stands for `/srv/skipcast` (`project`), `/srv/proxy` (`proxy`) and
            `/etc/skipcast.env` (`variables`).
    """
    text = _moved(f"systemd/{name}", places)
    command = re.search(r"^ExecStart=(.*)$", text, re.MULTILINE)
    file = re.search(r"^EnvironmentFile=-(.*)$", text, re.MULTILINE)
    assert command is not None
    assert file is not None
    pairs = re.findall(r"^Environment=(.*)$", text, re.MULTILINE)
    pairs += (
        [*shlex.split(Path(file[1]).read_text(), comments=True)] if Path(file[1]).exists() else []
    )
    return shlex.split(command[1]), dict(pair.split("=", 1) for pair in pairs)


def cron_line(**places: Path) -> tuple[str, dict[str, str]]:
    """Return what cron gives to `sh -c`, and its variables; `places` as for `unit`."""
    *settings, line = _moved("cron", places).splitlines()
    pairs = dict(setting.split("=", 1) for setting in settings if not setting.startswith("#"))
    *_, command = line.split(maxsplit=6)  # after five fields of time and the user
    return command, pairs | {"SHELL": "/bin/sh", "HOME": "/", "LOGNAME": "skipcast"}


def _moved(file: str, places: dict[str, Path]) -> str:
    text = (ROOT / "deploy" / file).read_text()
    names = {"project": "/srv/skipcast", "proxy": "/srv/proxy", "variables": "/etc/skipcast.env"}
    for name, place in places.items():
        text = text.replace(names[name], str(place))
    return text
