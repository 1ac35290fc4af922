"""What `make setup` asks of a machine, and what it tells uv; tests/system has whole set-ups."""

import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from shutil import which

import pytest
from harness.setups import BASH, ROOT, load_tool, make_project, set_up
from packaging.specifiers import SpecifierSet

FAKE = """#!{bash}
case "$*" in
  *folder.py*) ;;
  *executable*) echo "$0" ;;
  *version_info*) echo {version} ;;
  *ensurepip*) exit {ensurepip} ;;
  *"import pip"*) ;;
  *) exit 1 ;;
esac
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    return make_project(tmp_path / "project")


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


def test_a_python_that_cannot_make_an_environment_is_named(project, pythons):
    python = fake(pythons / "given", "3.13")
    done = set_up(project, python, {"PATH": os.environ["PATH"]})
    assert done.returncode == 1
    assert done.stderr == (
        f"{python} must make .venv but did not. Name another Python: "
        "make PYTHON=/path/to/python3.13 run\n"
    )


def test_a_script_that_lost_its_mode_is_run_all_the_same(tmp_path):
    """Some programs that unpack an archive forget which files may be run."""
    (tmp_path / "tools").mkdir()
    (tmp_path / "tools/setup.sh").write_text("echo set up\n")
    (tmp_path / "Makefile").write_text((ROOT / "Makefile").read_text())
    done = subprocess.run(
        ["make", "--no-print-directory", "setup"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "set up\n"


def test_make_without_bash_says_what_to_install(tmp_path, pythons):
    (tmp_path / "Makefile").write_text((ROOT / "Makefile").read_text())
    make = ["/usr/bin/env", f"PATH={pythons}", str(which("make"))]
    make += ["--no-print-directory", "setup", "SHELL=/bin/sh"]
    done = subprocess.run(make, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.stdout == "bash must be on PATH but is not. Install the package bash.\n"


@pytest.fixture
def tool():
    return load_tool("uv")


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
        ({"cert": "/a.pem"}, {"SSL_CERT_FILE": "/a.pem"}),
        ({"cert": "/"}, {"SSL_CERT_DIR": "/"}),
        (
            {"proxy": "http://p:1"},
            dict.fromkeys(("ALL_PROXY", "HTTP_PROXY", "HTTPS_PROXY"), "http://p:1"),
        ),
        ({"proxy": "p:1"}, dict.fromkeys(("ALL_PROXY", "HTTP_PROXY", "HTTPS_PROXY"), "http://p:1")),
        ({"default-timeout": "60"}, {"UV_HTTP_TIMEOUT": "60"}),
        ({"timeout": "90", "retries": "7"}, {"UV_HTTP_TIMEOUT": "90", "UV_HTTP_RETRIES": "7"}),
    ],
)
def test_uv_is_told_what_pip_was_told(tool, settings, expected):
    environment = {"HOME": "/home", "SSL_CERT_FILE": "/system.pem", "HTTPS_PROXY": "http://q:2"}
    expected = environment | {"UV_SYSTEM_CERTS": "true"} | expected
    assert tool.uv_environment(settings, environment) == expected


@pytest.mark.parametrize("name", ["UV_DEFAULT_INDEX", "UV_INDEX", "UV_INDEX_URL", "UV_NO_INDEX"])
def test_who_tells_uv_where_packages_are_is_left_alone(tool, name):
    settings = {"index-url": "https://a.example", "find-links": "/x", "cert": "/a.pem"}
    environment = {name: "own", "UV_SYSTEM_CERTS": "false"}
    assert tool.uv_environment(settings, environment) == environment | {"SSL_CERT_FILE": "/a.pem"}


@pytest.mark.parametrize(
    ("settings", "variables", "expected"),
    [
        ({}, {"REQUESTS_CA_BUNDLE": "/a.pem"}, "/a.pem"),
        ({}, {"CURL_CA_BUNDLE": "/a.pem"}, "/a.pem"),
        ({}, {"REQUESTS_CA_BUNDLE": "/a.pem", "CURL_CA_BUNDLE": "/b.pem"}, "/a.pem"),
        ({"cert": "/c.pem"}, {"REQUESTS_CA_BUNDLE": "/a.pem"}, "/a.pem"),
        ({"cert": "/c.pem"}, {}, "/c.pem"),
        ({}, {}, "/system.pem"),
    ],
)
def test_uv_trusts_what_pip_trusts(tool, settings, variables, expected):
    variables = {"SSL_CERT_FILE": "/system.pem", **variables}
    assert tool.uv_environment(settings, variables)["SSL_CERT_FILE"] == expected


def test_settings_that_pip_cannot_read_are_not_repeated(tool, tmp_path, monkeypatch):
    (tmp_path / "pip.conf").write_text("index-url https://user:sekret@a.example/simple\n")
    monkeypatch.setenv("PIP_CONFIG_FILE", str(tmp_path / "pip.conf"))
    with pytest.raises(SystemExit, match="pip must read its settings but does not") as stopped:
        tool.pip_settings()
    message = str(stopped.value)
    assert "sekret" not in message
    command = message.partition("why: ")[2]
    typed = subprocess.run(command, shell=True, capture_output=True, text=True, check=False)
    assert str(tmp_path / "pip.conf") in typed.stderr


def test_uv_keeps_its_cache_where_it_can_be_written(tool, tmp_path):
    assert tool.cache({"HOME": str(tmp_path)}) == {}
    assert tool.cache({"UV_CACHE_DIR": str(tmp_path / "new/cache")}) == {}


@pytest.mark.skipif(sys.platform != "linux", reason="no /proc, where nothing has room")
@pytest.mark.parametrize("variables", [{"HOME": "/proc"}, {"XDG_CACHE_HOME": "/proc"}])
def test_uv_gets_a_cache_in_the_environment_where_its_own_cannot_be_written(tool, variables):
    assert tool.cache(variables) == {"UV_CACHE_DIR": str(Path(sys.prefix, "cache"))}


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
