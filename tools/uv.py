"""Runs uv with pip's settings, as in `python tools/uv.py pip install six`.

uv reads neither pip.conf nor PIP_* variables, and a company's index often is set there alone. Where
uv is missing, pip brings it into the environment whose Python runs this.
"""

import ast
import os
import shlex
import shutil
import ssl
import subprocess
import sys
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path

ROOT = Path(__file__).parents[1]
NEEDED = 2_500_000_000  # bytes that all packages take, and some more
# What uv's variable for a setting of pip is, and what stands between several values there.
INDEXES = {
    "index-url": ("UV_DEFAULT_INDEX", " "),
    "extra-index-url": ("UV_INDEX", " "),
    "find-links": ("UV_FIND_LINKS", ","),
    "no-index": ("UV_NO_INDEX", " "),
}
CONNECTION = {
    "trusted-host": ("UV_INSECURE_HOST", " "),
    "client-cert": ("SSL_CLIENT_CERT", " "),
    "timeout": ("UV_HTTP_TIMEOUT", " "),
    "default-timeout": ("UV_HTTP_TIMEOUT", " "),
    "retries": ("UV_HTTP_RETRIES", " "),
}
BUNDLES = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")  # by which pip goes before `cert`
PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY")
# Not of uv alone, and pip's own setting wins over each of them.
SHARED = {"SSL_CERT_FILE", "SSL_CERT_DIR", *PROXIES}
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
    environment = uv_environment(settings, os.environ)
    os.execve(uv, [str(uv), *sys.argv[1:]], environment | cache(environment))


def pip_settings() -> dict[str, str]:
    """Return what `pip install` would take from files and variables."""
    command = [sys.executable, "-m", "pip", "config", "list"]
    listed = subprocess.run(command, capture_output=True, text=True, check=False)
    if listed.returncode:  # its words may hold a password
        sys.exit(f"pip must read its settings but does not. This says why: {shlex.join(command)}")
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
    if bundle := certificates(settings, environment):
        of_pip["SSL_CERT_DIR" if Path(bundle).is_dir() else "SSL_CERT_FILE"] = bundle
    if proxy := settings.get("proxy"):
        of_pip |= dict.fromkeys(PROXIES, proxy if "://" in proxy else f"http://{proxy}")
    if of_pip.get("UV_NO_INDEX", "").lower() in ("0", "false", "no", "off"):
        del of_pip["UV_NO_INDEX"]
    if "UV_INDEX" in of_pip:  # pip takes the newest of all indexes, uv of the first that has any.
        of_pip["UV_INDEX_STRATEGY"] = "unsafe-best-match"
    of_user = {name: value for name, value in environment.items() if name not in SHARED}
    return {**environment, **of_pip, **of_user}


def certificates(settings: Mapping[str, str], environment: Mapping[str, str]) -> str | None:
    """Return the file or folder of certificates that pip is told to trust, if it is told one."""
    values = [*(environment.get(name) for name in BUNDLES), settings.get("cert")]
    return next(filter(None, values), None)


def cache(environment: Mapping[str, str]) -> dict[str, str]:
    """Return a cache for uv in this Python's environment where its own cannot be written."""
    home = environment.get("XDG_CACHE_HOME") or Path(environment.get("HOME") or "/", ".cache")
    usual = Path(environment.get("UV_CACHE_DIR") or Path(home, "uv"))
    there = next(folder for folder in (usual, *usual.parents) if folder.exists())
    if os.access(there, os.W_OK) and shutil.disk_usage(there).free > NEEDED:
        return {}
    return {"UV_CACHE_DIR": str(Path(sys.prefix, "cache"))}


def fetch_uv(settings: Mapping[str, str]) -> None:
    """Install the pinned uv by pip."""
    pins = (ROOT / "requirements.txt").read_text().splitlines()
    pin = next(line for line in pins if line.startswith("uv=="))
    environment = {**os.environ, "PIP_USER": "0"}  # `user = true` is refused in an environment
    paths = ssl.get_default_verify_paths()
    bundle = paths.cafile or paths.capath
    if bundle and not certificates(settings, environment) and not trusts_the_system():
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
