"""What `make setup` does: it finds a Python, and installs by pip's settings and nothing else."""

import base64
import importlib.util
import inspect
import os
import re
import subprocess
import sys
import tomllib
import zipfile
from collections.abc import Iterator, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.metadata import distribution
from pathlib import Path
from shutil import copytree, which
from threading import Thread

import pytest
from packaging.specifiers import SpecifierSet

ROOT = next(p for p in Path(__file__).parents if (p / "pyproject.toml").exists())
BASH = str(which("bash"))
SECRET = "sekret"
FAKE = """#!{bash}
case "$2" in
  *executable*) echo "$0" ;;
  *version_info*) echo {version} ;;
  *ensurepip*) exit {ensurepip} ;;
  *"import pip"*) ;;
  *) exit 1 ;;
esac
"""


def write_wheel(folder, name, version, files, tag="py3-none-any"):
    """Write a wheel with some files; return its name."""
    info = f"{name}-{version}.dist-info"
    files = files | {
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n".encode(),
        f"{info}/WHEEL": f"Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: {tag}\n".encode(),
    }
    record = "".join(f"{path},,\n" for path in [*files, f"{info}/RECORD"])
    wheel = f"{name}-{version}-{tag}.whl"
    with zipfile.ZipFile(Path(folder) / wheel, "w") as archive:
        for path, content in {**files, f"{info}/RECORD": record.encode()}.items():
            member = zipfile.ZipInfo(path)
            member.external_attr = 0o100755 << 16
            archive.writestr(member, content)
    return wheel


# A package that the made-up project requires, to be built and to run.
BACKEND = f"""import zipfile
from pathlib import Path
{inspect.getsource(write_wheel)}
def build_editable(folder, *settings):
    return write_wheel(folder, "project", "1.0", {{"project.py": b""}})
"""


class Index(BaseHTTPRequestHandler):
    """A company's package index: it serves the wheels of a folder to who has the password."""

    folder: Path
    asked: list[tuple[str, str]]  # which client, for which path

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        self.asked.append((self.headers["User-Agent"].partition("/")[0], self.path))
        password = base64.b64encode(f"user:{SECRET}".encode()).decode()
        if self.headers["Authorization"] != f"Basic {password}":
            return self.answer(401, b"")
        _, kind, name, *_ = self.path.split("/")
        if kind == "files":
            return self.answer(200, (self.folder / name).read_bytes())
        wheels = self.folder.glob(f"{name.replace('-', '_')}-*.whl")
        links = "".join(f'<a href="/files/{wheel.name}">{wheel.name}</a>' for wheel in wheels)
        return self.answer(200 if links else 404, f"<!DOCTYPE html>{links}".encode())

    def answer(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("WWW-Authenticate", "Basic")
        self.send_header("Content-Type", "text/html")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, list[tuple[str, str]]]]:
    """Yield the URL of an index that has uv and `tiny_backend`, and what it was asked for."""
    folder = tmp_path_factory.mktemp("wheels")
    write_wheel(folder, "tiny_backend", "1.0", {"tiny_backend.py": BACKEND.encode()})
    uv = distribution("uv")
    tag = next(line for line in str(uv.read_text("WHEEL")).splitlines() if line.startswith("Tag: "))
    program = Path(sys.executable).with_name("uv").read_bytes()
    files = {f"uv-{uv.version}.data/scripts/uv": program}
    write_wheel(folder, "uv", uv.version, files, tag.removeprefix("Tag: "))
    requested: list[tuple[str, str]] = []
    handler = type("Handler", (Index,), {"folder": folder, "asked": requested})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://user:{SECRET}@127.0.0.1:{server.server_port}/simple", requested
        server.shutdown()


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """Return a project with the tools of this one and tiny requirements."""
    folder = tmp_path / "project"
    copytree(ROOT / "tools", folder / "tools")
    (folder / "requirements.txt").write_text(
        f"tiny_backend==1.0\nuv=={distribution('uv').version}\n"
    )
    (folder / "pyproject.toml").write_text(
        '[build-system]\nrequires = ["tiny_backend"]\nbuild-backend = "tiny_backend"\n'
        '[project]\nname = "project"\nversion = "1.0"\n'
    )
    return folder


@pytest.fixture
def pythons(tmp_path: Path) -> Path:
    """Return a folder to be the only one on PATH."""
    folder = tmp_path / "bin"
    folder.mkdir()
    return folder


def fake(path: Path, version: str, *, runs: bool = True, ensurepip: bool = True) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    text = FAKE.format(bash=BASH, version=version, ensurepip=int(not ensurepip))
    path.write_text(text if runs else f"#!{BASH}\nexit 127\n")
    path.chmod(0o755)
    return path


def set_up(
    project: Path, python: str | Path, env: Mapping[str, str]
) -> subprocess.CompletedProcess[str]:
    command: list[str | Path] = [BASH, project / "tools/setup.sh", python]
    return subprocess.run(command, env=env, capture_output=True, text=True, check=False)


def test_comes_wholly_from_the_index_that_pip_alone_knows(index, project, tmp_path):
    url, asked = index
    conf = tmp_path / "home/.config/pip/pip.conf"
    conf.parent.mkdir(parents=True)
    conf.write_text(f"[global]\nindex-url = {url}\n")
    env = {"HOME": str(tmp_path / "home"), "PATH": os.environ["PATH"]}

    done = set_up(project, sys.executable, env)
    assert done.returncode == 0, done.stderr
    assert f"Python {sys.version_info[0]}.{sys.version_info[1]} ({sys.executable})" in done.stdout
    assert {("pip", "/simple/uv/"), ("uv", "/simple/tiny-backend/")} <= set(asked)
    assert ("uv", "/files/tiny_backend-1.0-py3-none-any.whl") in asked
    code = "import project, tiny_backend; print(tiny_backend.__file__)"
    command = [project / ".venv/bin/python", "-c", code]
    where = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert Path(where).is_relative_to(project / ".venv")

    asked.clear()
    again = set_up(project, "", env)
    assert again.returncode == 0
    assert str(project / ".venv/bin/python") in again.stdout
    assert asked == []

    (project / "requirements.txt").write_text("not_there==1.0\n")
    failed = set_up(project, "", env)
    assert failed.returncode != 0
    assert "not-there" in failed.stderr
    assert SECRET not in "".join(run.stdout + run.stderr for run in (done, again, failed))


@pytest.mark.parametrize(
    ("version", "missing"),
    [("3.13", ()), ("3.12", ("3.13",)), ("3.14", ("3.13", "3.12")), ("3.11", ("3.12",))],
)
def test_the_first_python_that_runs_is_taken(project, pythons, version, missing):
    for other in missing:
        fake(pythons / f"python{other}", other, runs=False)  # as pyenv's shims are
    fake(pythons / "python3.10", "3.10")
    python = fake(pythons / f"python{version}", version, ensurepip=False)
    done = set_up(project, "", {"PATH": str(pythons)})
    assert done.stdout == f"Python {version} ({python})\n"
    assert done.stderr == (
        f"Python {version} must have the modules venv and ensurepip but '{python}' lacks one. "
        f"Install them (Debian, Ubuntu: apt-get install python{version}-venv) or name another "
        "Python: make PYTHON=/path/to/python3.13 run\n"
    )
    assert done.returncode == 1


def test_a_second_folder_on_path_is_searched_too(project, pythons, tmp_path):
    fake(pythons / "python3.12", "3.12", runs=False)
    second = fake(tmp_path / "second/python3.12", "3.12", ensurepip=False)
    done = set_up(project, "", {"PATH": f"{pythons}:{second.parent}"})
    assert done.stdout == f"Python 3.12 ({second})\n"


def test_no_python_says_how_to_get_one(project, pythons):
    fake(pythons / "python3.13", "3.13", runs=False)
    done = set_up(project, "", {"PATH": str(pythons)})
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    for part in ("3.11, 3.12, 3.13 or 3.14", "apt-get install", "make PYTHON=/path/to/python3.13"):
        assert part in done.stderr


@pytest.mark.parametrize(
    ("version", "runs", "what"), [("3.10", True, "is Python 3.10"), ("3.13", False, "does not run")]
)
def test_a_given_python_must_be_one_of_these(project, pythons, version, runs, what):
    fake(pythons / "python3.13", "3.13")
    python = fake(pythons / "given", version, runs=runs)
    done = set_up(project, python, {"PATH": str(pythons)})
    assert done.returncode == 1
    assert done.stderr == (
        f"PYTHON must be Python 3.11, 3.12, 3.13 or 3.14 but got '{python}', which {what}. "
        "Name another: make PYTHON=/path/to/python3.13 run\n"
    )


def test_another_version_makes_the_environment_anew_only_if_it_can(project, pythons):
    old = fake(project / ".venv/bin/python", "3.12")
    python = fake(pythons / "given", "3.13", ensurepip=False)
    refused = set_up(project, python, {"PATH": str(pythons)})
    assert (refused.returncode, old.exists()) == (1, True)
    made = set_up(project, fake(python, "3.13"), {"PATH": os.environ["PATH"]})
    assert made.stdout.splitlines()[1] == ".venv has Python 3.12: it is made anew."
    assert not old.exists()


def test_the_versions_are_those_of_pyproject():
    required = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["requires-python"]
    script = (ROOT / "tools/setup.sh").read_text()
    versions = re.search(r"^versions=\((.*?)\)", script, re.MULTILINE)[1].split()
    allowed = list(SpecifierSet(required).filter(f"3.{minor}" for minor in range(30)))
    assert sorted(versions) == sorted(allowed)
    named = re.search(r'^supported="Python (.*)"', script, re.MULTILINE)[1]
    assert re.split(", | or ", named) == sorted(versions)


@pytest.fixture
def tool():
    spec = importlib.util.spec_from_file_location("tools_uv", ROOT / "tools/uv.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_settings_of_pip_come_from_its_file_and_variables(tool, tmp_path, monkeypatch):
    for name in [name for name in os.environ if name.startswith("PIP_")]:
        monkeypatch.delenv(name)
    (tmp_path / "pip.conf").write_text(
        "[global]\nindex-url = https://a.example/simple\nextra_index_url =\n"
        "  https://b.example/simple\n  https://c.example/simple\n"
        "[install]\nindex-url = https://d.example/simple\ncert = /d.pem\n"
    )
    monkeypatch.setenv("PIP_CONFIG_FILE", str(tmp_path / "pip.conf"))
    monkeypatch.setenv("PIP_CERT", "/e.pem")
    settings = tool.pip_settings()
    assert settings["index-url"] == "https://d.example/simple"
    assert settings["extra-index-url"].split() == [
        "https://b.example/simple",
        "https://c.example/simple",
    ]
    assert settings["cert"] == "/e.pem"


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({}, {}),
        ({"index-url": "https://a.example"}, {"UV_DEFAULT_INDEX": "https://a.example"}),
        (
            {"extra-index-url": "\nhttps://b.example\nhttps://c.example"},
            {
                "UV_INDEX": "https://b.example https://c.example",
                "UV_INDEX_STRATEGY": "unsafe-best-match",
            },
        ),
        (
            {"no-index": "true", "find-links": "/x /y"},
            {"UV_NO_INDEX": "true", "UV_FIND_LINKS": "/x,/y"},
        ),
        ({"no-index": "false"}, {}),
        ({"trusted-host": "a b:80"}, {"UV_INSECURE_HOST": "a b:80"}),
        (
            {"cert": "/a.pem", "proxy": "http://p:1"},
            {"SSL_CERT_FILE": "/a.pem", "ALL_PROXY": "http://p:1"},
        ),
    ],
)
def test_uv_is_told_what_pip_was_told(tool, settings, expected):
    environment = {"HOME": "/home", "SSL_CERT_FILE": "/system.pem"}
    expected = environment | {"UV_SYSTEM_CERTS": "true"} | expected
    assert tool.uv_environment(settings, environment) == expected


@pytest.mark.parametrize("name", ["UV_DEFAULT_INDEX", "UV_INDEX", "UV_INDEX_URL", "UV_NO_INDEX"])
def test_who_tells_uv_where_packages_are_is_left_alone(tool, name):
    settings = {"index-url": "https://a.example", "find-links": "/x", "cert": "/a.pem"}
    environment = {name: "own", "UV_SYSTEM_CERTS": "false"}
    assert tool.uv_environment(settings, environment) == environment | {"SSL_CERT_FILE": "/a.pem"}


@pytest.mark.parametrize("name", ["project", "my projects & [others]"])
def test_an_environment_that_was_made_in_another_folder_is_made_anew(project, pythons, name):
    """Its programs would be those of the project that was copied, or of none."""
    fake(pythons / "python3.13", "3.13")
    fake(project / ".venv/bin/python", "3.13")
    folder = project.rename(project.with_name(name))
    config = folder / ".venv/pyvenv.cfg"
    for place, printed in ((folder, ""), (folder.with_name("before"), "it is made anew")):
        config.write_text(f"home = /usr/bin\ncommand = /usr/bin/python -m venv {place}/.venv\n")
        done = set_up(folder, "", {"PATH": f"{pythons}:{os.environ['PATH']}"})
        assert ("made in" in done.stdout) == bool(printed)
    assert f".venv was made in {folder.with_name('before')}/.venv: it is made anew." in done.stdout
