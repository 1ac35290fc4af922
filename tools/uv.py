"""Runs uv with pip's settings, as in `python tools/uv.py pip install six`.

uv reads neither pip.conf nor PIP_* variables, and a company's index often is set there alone. Where
uv is missing, pip brings it into the environment whose Python runs this.
"""

import ast
import os
import ssl
import subprocess
import sys
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path

ROOT = Path(__file__).parents[1]
# What uv's variable for a setting of pip is, and what stands between several values there.
INDEXES = {
    "index-url": ("UV_DEFAULT_INDEX", " "),
    "extra-index-url": ("UV_INDEX", " "),
    "find-links": ("UV_FIND_LINKS", ","),
    "no-index": ("UV_NO_INDEX", " "),
}
CONNECTION = {
    "trusted-host": ("UV_INSECURE_HOST", " "),
    "cert": ("SSL_CERT_FILE", " "),
    "client-cert": ("SSL_CLIENT_CERT", " "),
    "proxy": ("ALL_PROXY", " "),
}
# Who sets one of these has told uv where packages are; pip's indexes would mix in.
OWN_INDEXES = {name for name, _ in INDEXES.values()} | {
    "UV_INDEX_URL",
    "UV_EXTRA_INDEX_URL",
    "UV_CONFIG_FILE",
}


def main() -> None:
    """Run uv with the arguments of this program."""
    settings = pip_settings()
    uv = Path(sys.prefix) / "bin/uv"
    if not uv.exists():
        fetch_uv(settings)
    os.execve(uv, [str(uv), *sys.argv[1:]], uv_environment(settings, os.environ))


def pip_settings() -> dict[str, str]:
    """Return what `pip install` would take from files and variables."""
    command = [sys.executable, "-m", "pip", "config", "list"]
    listed = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
    if listed.returncode:
        sys.exit(listed.returncode)
    lines = [line.partition("=") for line in listed.stdout.splitlines()]
    settings = {}
    for section in ("global.", "install.", ":env:."):  # Later ones win.
        for name, _, value in lines:
            if name.startswith(section):
                settings[name.removeprefix(section)] = ast.literal_eval(value)
    return settings


def uv_environment(settings: Mapping[str, str], environment: Mapping[str, str]) -> dict[str, str]:
    """Return the environment for uv, in which its user's own settings win over pip's."""
    of_pip = {"UV_SYSTEM_CERTS": "true"}
    names = CONNECTION if OWN_INDEXES & set(environment) else CONNECTION | INDEXES
    for setting, (name, between) in names.items():
        if values := settings.get(setting, "").split():
            of_pip[name] = between.join(values)
    if of_pip.get("UV_NO_INDEX", "").lower() in ("0", "false", "no", "off"):
        del of_pip["UV_NO_INDEX"]
    if "UV_INDEX" in of_pip:  # pip takes the newest of all indexes, uv of the first that has any.
        of_pip["UV_INDEX_STRATEGY"] = "unsafe-best-match"
    of_user = {name: value for name, value in environment.items() if name != "SSL_CERT_FILE"}
    return {**environment, **of_pip, **of_user}


def fetch_uv(settings: Mapping[str, str]) -> None:
    """Install the pinned uv by pip."""
    pins = (ROOT / "requirements.txt").read_text().splitlines()
    pin = next(line for line in pins if line.startswith("uv=="))
    environment = dict(os.environ)
    bundle = ssl.get_default_verify_paths().cafile
    if "cert" not in settings and bundle and not trusts_the_system():
        environment["PIP_CERT"] = bundle
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    done = subprocess.run([*command, pin], env=environment, check=False)
    if done.returncode:
        sys.exit(f"pip must bring {pin} but could not. docs/python.md tells what the set-up takes.")


def trusts_the_system() -> bool:
    """Tell whether pip takes the system's certificates by itself, as it does since 24.2."""
    return tuple(int(part) for part in version("pip").split(".")[:2]) >= (24, 2)


if __name__ == "__main__":
    main()
