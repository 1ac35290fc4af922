"""Whole set-ups: a machine that lacks something, and packages that come as pip was told."""

import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from harness.indexes import (
    HOST,
    SECRET,
    Index,
    running_index,
    write_certificates,
    write_wheels,
)
from harness.setups import ROOT, make_project, set_up

UV = ROOT / "tools/uv.py"


@pytest.fixture(scope="module")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheels")
    write_wheels(folder)
    return folder


@pytest.fixture
def index(wheels: Path) -> Iterator[Index]:
    with running_index(wheels) as running:
        yield running


@pytest.fixture
def project(tmp_path: Path) -> Path:
    return make_project(tmp_path / "project")


@pytest.fixture
def home(tmp_path: Path) -> Path:
    folder = tmp_path / "home"
    (folder / ".config/pip").mkdir(parents=True)
    return folder


@pytest.fixture
def env(home: Path) -> dict[str, str]:
    """Return the variables of a user who has none of the settings of this machine."""
    return {"HOME": str(home), "PATH": os.environ["PATH"], "PIP_CONFIG_FILE": ""}


def configure(home: Path, *lines: str) -> None:
    text = "\n".join(["[global]", *lines, ""])
    (home / ".config/pip/pip.conf").write_text(text)


def test_comes_wholly_from_the_index_that_pip_alone_knows(index, project, home, env):
    configure(home, f"index-url = {index.url()}")

    done = set_up(project, sys.executable, env)
    assert done.returncode == 0, done.stderr
    assert f"Python {sys.version_info[0]}.{sys.version_info[1]} ({sys.executable})" in done.stdout
    assert {("pip", "/simple/uv/"), ("uv", "/simple/tiny-backend/")} <= set(index.asked)
    assert ("uv", "/files/tiny_backend-1.0-py3-none-any.whl") in index.asked
    code = "import project, tiny_backend; print(tiny_backend.__file__)"
    command = [project / ".venv/bin/python", "-c", code]
    where = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert Path(where).is_relative_to(project / ".venv")

    index.asked.clear()
    again = set_up(project, "", env)
    assert again.returncode == 0
    assert str(project / ".venv/bin/python") in again.stdout
    assert index.asked == []

    (project / "requirements.txt").write_text("not_there==1.0\n")
    failed = set_up(project, "", env)
    assert failed.returncode != 0
    assert "not-there" in failed.stderr
    assert SECRET not in "".join(run.stdout + run.stderr for run in (done, again, failed))


def test_an_index_behind_a_companys_authority_and_a_netrc(wheels, project, home, env, tmp_path):
    authority, certificate = write_certificates(tmp_path)
    (home / ".netrc").write_text(f"machine {HOST}\nlogin user\npassword {SECRET}\n")
    (home / ".netrc").chmod(0o600)
    with running_index(wheels, certificate=certificate) as index:
        configure(home, f"index-url = {index.url('', 'https')}", "user = true", "retries = 0")
        refused = set_up(project, sys.executable, env)
        assert refused.returncode != 0
        done = set_up(project, "", env | {"REQUESTS_CA_BUNDLE": str(authority)})
    assert done.returncode == 0, done.stderr
    assert {client for client, _ in index.asked} == {"pip", "uv"}


def test_a_wrong_password_is_not_printed_by_pip(index, project, home, env):
    configure(home, f"index-url = {index.url('user:wr0ng')}", "retries = 0")
    failed = set_up(project, sys.executable, env)
    assert failed.returncode == 1
    assert "docs/python.md tells what the set-up takes" in failed.stderr
    assert "wr0ng" not in failed.stdout + failed.stderr


def install(tmp_path: Path, env: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """Install a package by the uv of this environment."""
    target = str(tmp_path / "target")
    command = [sys.executable, str(UV), "pip", "install", "--target", target]
    return subprocess.run(
        [*command, "tiny_backend==1.0"], env=env, capture_output=True, text=True, check=False
    )


@pytest.mark.parametrize(
    "setting", ["PIP_CERT", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE"]
)
def test_a_companys_authority_is_trusted(wheels, env, tmp_path, setting):
    authority, certificate = write_certificates(tmp_path)
    with running_index(wheels, certificate=certificate) as index:
        # No file, as one of this machine may name an authority.
        env |= {"PIP_CONFIG_FILE": os.devnull, "PIP_INDEX_URL": index.url(scheme="https")}
        assert install(tmp_path, env).returncode != 0
        done = install(tmp_path, env | {setting: str(authority)})
    assert done.returncode == 0, done.stderr


def test_an_authority_of_pips_file_is_trusted(wheels, home, env, tmp_path):
    authority, certificate = write_certificates(tmp_path)
    with running_index(wheels, certificate=certificate) as index:
        configure(home, f"index-url = {index.url(scheme='https')}", f"cert = {authority}")
        done = install(tmp_path, env)
    assert done.returncode == 0, done.stderr


def test_a_host_that_is_to_be_trusted_is(wheels, home, env, tmp_path):
    _, certificate = write_certificates(tmp_path)
    with running_index(wheels, certificate=certificate) as index:
        url = index.url(scheme="https")
        configure(home, f"index-url = {url}", f"trusted-host = {HOST}:{index.port}")
        done = install(tmp_path, env)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("how", ["of pip", "of pip, without http://", "of the machine"])
def test_packages_come_through_the_proxy(wheels, home, env, tmp_path, how):
    with running_index(wheels, asks="Proxy-Authorization") as index:
        proxy = f"user:{SECRET}@{HOST}:{index.port}"
        lines = ["index-url = http://packages.example/simple"]
        if how == "of the machine":
            env["HTTP_PROXY"] = f"http://{proxy}"
        else:
            env["HTTP_PROXY"] = "http://127.0.0.1:9"  # pip's own wins
            lines.append(f"proxy = {'' if 'without' in how else 'http://'}{proxy}")
        configure(home, *lines)
        done = install(tmp_path, env)
    assert done.returncode == 0, done.stderr
    assert SECRET not in done.stdout + done.stderr


@pytest.mark.parametrize(
    "place", ["PIP_INDEX_URL", "PIP_CONFIG_FILE", "PIP_EXTRA_INDEX_URL", "UV_DEFAULT_INDEX"]
)
def test_an_index_is_found_wherever_it_is_set(index, env, tmp_path, place):
    env[place] = index.url()
    if place == "PIP_CONFIG_FILE":
        (tmp_path / "own.conf").write_text(f"[install]\nindex-url = {index.url()}\n")
        env[place] = str(tmp_path / "own.conf")
    if place == "PIP_EXTRA_INDEX_URL":
        env["PIP_INDEX_URL"] = index.url()
    done = install(tmp_path, env)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("setting", ["index-url", "extra-index-url", "find-links", "proxy"])
def test_a_wrong_password_is_not_printed_by_uv(index, home, env, tmp_path, setting):
    wrong = index.url("user:wr0ng")
    settings = {"index-url": index.url("") if setting != "proxy" else "http://packages.example"}
    settings |= {setting: wrong.removesuffix("/simple") if setting == "proxy" else wrong}
    configure(home, *(f"{name} = {value}" for name, value in settings.items()), "retries = 0")
    failed = install(tmp_path, env)
    assert failed.returncode != 0
    assert "wr0ng" not in failed.stdout + failed.stderr


def as_root(script: str, env: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    """Run a script in which mounting changes nothing for others."""
    command = ["unshare", "--mount", "sh", "-e", "-c", script]
    try:
        done = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        pytest.skip("unshare must be installed to mount")
    if re.search("^(unshare|mount): ", done.stderr, re.MULTILINE):
        pytest.skip(f"only root may mount: {done.stderr}")
    return done


@pytest.mark.parametrize(
    ("options", "rule", "remedy"),
    [
        ("ro", "must take files but {} does not: Read-only file system", "Type: cp -r {}"),
        ("noexec", "must run programs but {} does not: Permission denied", "remount,exec {}"),
        ("size=1m", "must have 2500 MB free but has 1 MB", "Make room"),
    ],
)
def test_a_folder_that_will_not_do_is_refused_before_the_work(tmp_path, options, rule, remedy):
    check = f"cd '{tmp_path}' && '{sys.executable}' '{ROOT}/tools/folder.py'"
    done = as_root(f"mount -t tmpfs -o {options} tmpfs '{tmp_path}'; {check}")
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert rule.format(tmp_path) in done.stderr
    assert remedy.format(tmp_path) in done.stderr


def test_what_is_typed_copies_a_project_that_takes_no_files(tmp_path, home, env):
    folder = tmp_path / "the project"
    folder.mkdir()
    at = shlex.quote(str(folder))
    made = f"printf 'run:\\n\\t@pwd\\n' > {at}/Makefile; mount -o remount,ro {at}; cd {at}"
    check = f"'{sys.executable}' '{ROOT}/tools/folder.py' 2> '{tmp_path}/said' || true"
    typed = f"eval \"$(sed 's/.*Type: //' '{tmp_path}/said')\""
    done = as_root(f"mount -t tmpfs tmpfs {at}; {made}; {check}; {typed}", env)
    assert done.returncode == 0, done.stderr
    assert str(home / "skipcast") in done.stdout


def test_a_folder_that_runs_no_programs_does_after_what_is_typed(tmp_path):
    check = f"cd '{tmp_path}' && '{sys.executable}' '{ROOT}/tools/folder.py'"
    mount = f"mount -t tmpfs -o noexec,size=4g tmpfs '{tmp_path}'"
    said = f"'{tmp_path}/said'"
    typed = f"cat {said} >&2; eval \"$(sed 's/.*or type: //' {said})\""
    done = as_root(f"{mount}; ({check}) 2> {said} || true; {typed}; {check}")
    assert "must run programs" in done.stderr
    assert done.returncode == 0


@pytest.mark.parametrize("options", ["noexec", "ro"])
def test_a_home_that_runs_or_takes_nothing_will_do(index, project, home, env, options):
    script = f"mount -t tmpfs -o {options} tmpfs '{home}'; bash '{project}/tools/setup.sh' '{{}}'"
    done = as_root(script.format(sys.executable), env | {"PIP_INDEX_URL": index.url()})
    assert done.returncode == 0, done.stderr
    assert (project / ".venv/ready").exists()
    assert not (project / ".venv/cache").exists()


@pytest.fixture
def hide(tmp_path: Path) -> str:
    """Return a script that hides OpenMP, which LightGBM alone takes from the machine."""
    # The folders of administrators' programs are on no other user's PATH.
    program = shutil.which("ldconfig", path=os.pathsep.join((os.environ["PATH"], "/sbin")))
    if program is None:
        pytest.skip("no ldconfig to find libgomp.so.1")
    found = subprocess.run([program, "-p"], capture_output=True, text=True, check=False).stdout
    paths = [line.split("=> ")[1] for line in found.splitlines() if "libgomp.so.1" in line]
    if not paths:
        pytest.skip("no libgomp.so.1 to hide")
    folder = Path(paths[0]).resolve().parent
    (tmp_path / "upper").mkdir()
    (tmp_path / "work").mkdir()
    layers = f"lowerdir={folder},upperdir={tmp_path}/upper,workdir={tmp_path}/work"
    return f"mount -t overlay overlay -o {layers} '{folder}'; rm '{folder}'/libgomp.so.1*; "


def test_a_library_that_the_machine_lacks_is_named(hide):
    done = as_root(f"{hide} '{sys.executable}' '{ROOT}/tools/libraries.py'")
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert done.stderr.startswith("lightgbm must find the library libgomp.so.1 but does not. ")


def test_a_command_that_lacks_a_library_says_what_names_it(hide):
    code = "import skipcast.cli.main as m; m.app = lambda: __import__('lightgbm'); m.main()"
    done = as_root(f'{hide} "{sys.executable}" -c "{code}"')
    assert done.returncode == 1
    assert "Error: The libraries that skipcast needs must be on this machine" in done.stderr
    assert "libgomp.so.1: cannot open shared object file" in done.stderr
    assert "`python tools/libraries.py` names the package" in done.stderr
    assert "Traceback" not in done.stderr


def test_nothing_is_missing_here():
    done = subprocess.run(
        [sys.executable, ROOT / "tools/libraries.py"], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
