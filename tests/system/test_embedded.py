"""The embedded Postgres on strangers' machines: odd paths, old files, other users, and kills."""

import os
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

import psutil
import psycopg2
import pytest
from harness.servers import ROOT, free_port
from harness.waiting import PATIENCE, STOP_SECONDS, wait_until

from skipcast.database import cluster
from skipcast.database.embedded import running

ODD_NAMES = {
    "a space": "my plays",
    "a percent sign": "100%41 plays",
    "an ampersand": "rock & roll; pop",
    "quotes": 'the "best" o\'clock',
    "brackets": "plays [1] (2) {3} <4>",
    "what a shell expands": "$HOME `id` \\ ~ * ?",
    "other letters": "música 音楽 🎵",
    "a line break": "two\nlines",
    "a leading dash": "-plays",
    "a long name": "/".join(["p" * 100] * 7),
}
PYTHON = f"/usr/bin/python{sys.version_info.major}.{sys.version_info.minor}"  # everybody's


@pytest.fixture(autouse=True)
def _no_database_url(monkeypatch):
    monkeypatch.delenv("DATABASE_URL", raising=False)


@pytest.fixture(scope="module")
def open_folder() -> Iterator[Path]:
    """Yield a folder that every user may enter; each pytest that starts closes pytest's own."""
    with tempfile.TemporaryDirectory(prefix="skipcast-tests-") as name:
        Path(name).chmod(0o755)
        yield Path(name)


@pytest.fixture
def tmp_path(open_folder) -> Iterator[Path]:
    """Yield a folder of this test's own, in place of pytest's."""
    # Files that are deleted soon are never written to the disk.
    with tempfile.TemporaryDirectory(dir=open_folder, ignore_cleanup_errors=True) as name:
        yield Path(name)


@pytest.fixture(scope="module")
def made(open_folder) -> Path:
    """Return a data folder that an embedded server has made; copy it, do not use it."""
    with running(open_folder / "made"):
        pass
    return open_folder / "made"


@pytest.fixture
def data(made, tmp_path) -> Path:
    """Return a data folder of this test's own, in which a server has run before."""
    return copy(made, tmp_path / ".postgres")


def copy(folder: Path, target: Path) -> Path:
    """Copy a data folder with its owners."""
    subprocess.run(["cp", "-a", "--", folder, target], check=True)
    return target


def answers(url: str) -> bool:
    with closing(psycopg2.connect(url)) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT 1")
        return cursor.fetchone() == (1,)


def servers(folder: Path) -> list[psutil.Process]:
    return list(cluster._servers(folder))  # noqa: SLF001


def wait_for_end(folder: Path) -> None:
    """Wait until no server is left on the folder."""
    wait_until(lambda: not servers(folder), STOP_SECONDS, told=lambda: servers(folder))


@pytest.mark.parametrize("name", ODD_NAMES.values(), ids=ODD_NAMES)
def test_the_project_may_have_any_name(made, tmp_path, name):
    project = tmp_path / name
    project.mkdir(parents=True)
    with running(copy(made, project / ".postgres")) as url:
        assert answers(url)
        socket_folder = psycopg2.extensions.parse_dsn(url)["host"]
        assert not Path(socket_folder).is_relative_to(tmp_path)
        assert Path(socket_folder).stat().st_mode & 0o777 == 0o700
    assert not servers(project / ".postgres")
    assert not Path(socket_folder).exists()


def test_a_database_is_made_where_project_and_programs_have_odd_names(tmp_path):
    """As they have in a clone, where .venv is in the project."""
    project = tmp_path / 'the "best" $HOME `id` o\'clock'
    wheel = cluster.program("postgres").parents[2]
    skip = shutil.ignore_patterns("pginstall", "include", "*.a")
    shutil.copytree(wheel, project / "lib" / wheel.name, ignore=skip, symlinks=True)
    libraries = wheel.with_name(f"{wheel.name}.libs")
    if libraries.exists():
        shutil.copytree(libraries, project / "lib" / libraries.name)
    done = use(project, PYTHONPATH=str(project / "lib"))
    assert done.communicate(timeout=PATIENCE) == ("answers\n", "")
    assert not servers(project / ".postgres")


PROGRAM = """
import os, signal, sys
import psycopg2
from skipcast.database.server import server
from skipcast.errors import SkipcastError
try:
    with server() as url:
        psycopg2.connect(url).close()
        print("answers", flush=True)
        if {wait}:
            sys.stdin.read()
except SkipcastError as error:
    sys.exit(str(error))
"""


def use(folder: Path, *, wait: bool = False, **variables: str) -> "subprocess.Popen[str]":
    """Use the server of a project in a process of its own, until its input ends if `wait`."""
    return subprocess.Popen(
        [sys.executable, "-c", PROGRAM.format(wait=wait)],
        cwd=folder,
        env=os.environ | variables,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


@contextmanager
def user(folder: Path, **variables: str) -> "Iterator[subprocess.Popen[str]]":
    """Yield a process that uses the server of a project."""
    with use(folder, wait=True, **variables) as process:
        assert process.stdout is not None
        said = process.stdout.readline()
        assert said == "answers\n", process.communicate()[1]
        yield process
        if process.poll() is None:
            process.communicate("")


@pytest.mark.usefixtures("data")
@pytest.mark.parametrize(
    "variables",
    [
        {"LANG": "de_DE.UTF-8", "LC_ALL": "xx_YY.ISO-8859-1"},
        {"LANG": "nonsense", "LC_MESSAGES": "ja_JP.eucJP"},
        {"PGHOST": "db.example", "PGPORT": "1", "PGHOSTADDR": "192.0.2.1", "PGUSER": "nobody"},
        {"PGSERVICE": "prod", "PGSSLMODE": "verify-full", "PGCHANNELBINDING": "require"},
        {"PGDATA": "/nowhere", "PGOPTIONS": "-c nonsense=1", "PGDATABASE": "music"},
        {"XDG_RUNTIME_DIR": "/nowhere", "TMPDIR": "/nowhere"},
        {"TZ": "Nowhere/City"},
    ],
    ids=lambda variables: " ".join(variables),
)
def test_variables_of_the_machine_do_not_lead_astray(tmp_path, variables):
    assert use(tmp_path, **variables).communicate(timeout=PATIENCE) == ("answers\n", "")


def test_a_database_is_made_where_the_locale_is_not_installed(tmp_path):
    process = use(tmp_path, LANG="de_DE.UTF-8", LC_ALL="xx_YY.UTF-8")
    assert process.communicate(timeout=PATIENCE) == ("answers\n", "")


def test_texts_are_in_utf_8(data):
    with (
        running(data) as url,
        closing(psycopg2.connect(url)) as connection,
        connection.cursor() as cursor,
    ):
        cursor.execute("SELECT upper('música')")
        assert cursor.fetchone() == ("MÚSICA",)


def test_a_long_folder_for_temporary_files_is_passed_over(data, tmp_path):
    long = tmp_path / ("t" * 100)
    long.mkdir()
    with user(tmp_path, TMPDIR=str(long), XDG_RUNTIME_DIR=str(long)):
        assert not list(long.iterdir())


def test_another_users_lock_file_does_not_matter(data, tmp_path, monkeypatch):
    """That of the wheel's own code, in the folder that all users share."""
    shared = tmp_path / "shared"
    shared.mkdir()
    (shared / ".lockfile").touch(0o000)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(shared))
    with running(data) as url:
        assert answers(url)


@pytest.fixture
def stranger(data) -> "Iterator[psutil.Popen]":
    """Yield a process that is none of ours, and that our server's user may signal."""
    options = cluster.process_options(data)
    with psutil.Popen(["sleep", "100"], **options) as process:
        yield process
        process.kill()


def test_a_process_that_has_an_old_servers_number_is_left_alone(data, stranger):
    lines = [stranger.pid, data, int(stranger.create_time()), 5432, "/tmp", "", "1 1", "ready"]
    (data / "postmaster.pid").write_text("\n".join(map(str, lines)) + "\n")
    with running(data) as url:
        assert answers(url)
    assert stranger.is_running()
    assert stranger.status() == psutil.STATUS_SLEEPING


def test_a_copy_of_a_project_whose_server_runs_leaves_that_server_alone(data, tmp_path):
    with running(data) as original:
        copied = copy(data, tmp_path / "copy")
        with running(copied) as url:
            assert answers(url)
            assert url != original
        assert answers(original)


@pytest.mark.parametrize("content", ["", "4711", "4711\n/nowhere\n", "\0\xff nonsense", "-1\n" * 8])
def test_files_that_were_cut_short_are_made_anew(data, content):
    for name in ("postmaster.pid", ".handle_pids.json", ".keeper", ".users"):
        (data / name).write_text(content)
    with running(data) as url:
        assert answers(url)
    assert not servers(data)
    assert not (data / "postmaster.pid").exists()


def test_permissions_that_a_copy_has_lost_are_mended(data):
    data.chmod(0o755)
    with running(data) as url:
        assert answers(url)


def test_a_server_that_was_left_is_taken_over(data):
    cluster.let_through(data)
    command = [cluster.program("postgres"), "-D", data, "-c", "unix_socket_directories="]
    left = subprocess.Popen(
        [*command, "-c", f"port={free_port()}"],
        stderr=subprocess.DEVNULL,
        **cluster.process_options(data),
    )
    wait_until((data / "postmaster.pid").exists)
    wait_until(lambda: "ready" in (data / "postmaster.pid").read_text())
    with running(data) as url:
        assert answers(url)
    assert left.wait(STOP_SECONDS) == 0
    assert not servers(data)


def test_two_users_share_a_server_until_the_last_one_leaves(data, tmp_path):
    with running(data) as url:
        with user(tmp_path):
            pass
        assert answers(url)
        assert len(keepers(data)) == 1
    assert not servers(data)


def test_many_users_who_come_and_go_at_once_all_have_a_server(data, tmp_path):
    processes = [use(tmp_path) for _ in range(6)]
    assert [p.communicate(timeout=PATIENCE) for p in processes] == [("answers\n", "")] * 6
    wait_for_end(data)


def test_no_server_is_left_when_its_last_user_is_killed(data, tmp_path):
    with user(tmp_path) as process:
        os.killpg(process.pid, signal.SIGKILL)
    wait_for_end(data)


def test_a_server_lives_on_when_another_user_is_killed(data, tmp_path):
    with running(data) as url:
        with user(tmp_path) as process:
            process.kill()
        assert answers(url)
    assert not servers(data)


def keepers(folder: Path) -> list[psutil.Process]:
    """Return the processes that keep the servers of a folder."""
    found = set()
    for process in servers(folder):
        with suppress(psutil.NoSuchProcess):  # the children of a server come and go
            parent = process.parent()
            if parent and "skipcast.database.keeper" in parent.cmdline():
                found.add(parent)
    return list(found)


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere the next user ends the server")
def test_no_server_is_left_when_all_of_skipcast_is_killed(data, tmp_path):
    with user(tmp_path) as process:
        (keeper,) = keepers(data)
        keeper.kill()
        process.kill()
    wait_for_end(data)


def test_a_server_that_was_killed_is_started_again(data):
    with running(data):
        for process in servers(data):
            process.kill()
        wait_for_end(data)
    with running(data) as url:
        assert answers(url)


def test_a_folder_that_is_deleted_while_its_server_runs_is_made_anew(data, tmp_path):
    with user(tmp_path):
        shutil.rmtree(data)
        with running(data) as url:
            assert answers(url)
    with running(data) as url:
        assert answers(url)


def test_a_link_to_another_disk_is_followed(data, tmp_path):
    data.rename(tmp_path / "big disk")
    data.symlink_to(tmp_path / "big disk")
    with running(data) as url:
        assert answers(url)
    assert data.is_symlink()


def test_folders_above_are_not_opened_for_reading(data, tmp_path):
    """Where root runs the server as another user, who must get through to the data."""
    before = tmp_path.stat().st_mode
    with running(data):
        assert tmp_path.stat().st_mode | 0o001 == before | 0o001


@pytest.fixture
def as_nobody(open_folder) -> Iterator[Path]:
    """Yield a folder where a user who is not root has a project of his own; only root can."""
    if not cluster.IS_ROOT or not Path(PYTHON).exists():
        pytest.skip("only root can be somebody else, with a Python that everybody may run")
    with tempfile.TemporaryDirectory(dir=open_folder) as name:
        Path(name).chmod(0o755)
        nobody = pwd.getpwnam("nobody")
        os.chown(name, nobody.pw_uid, nobody.pw_gid)
        yield Path(name)


def use_as(name: str, folder: Path) -> tuple[str, str]:
    """Use the server of a project as another user; return what that printed."""
    account = pwd.getpwnam(name)
    done = subprocess.run(
        [PYTHON, "-c", PROGRAM.format(wait=False)],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
        user=account.pw_uid,
        group=account.pw_gid,
        extra_groups=(),
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stdout, done.stderr


def test_a_user_who_is_not_root_makes_and_uses_a_server(as_nobody):
    assert use_as("nobody", as_nobody) == ("answers\n", "")
    assert use_as("nobody", as_nobody) == ("answers\n", "")
    assert not servers(as_nobody / ".postgres")


def test_root_and_a_user_may_use_the_same_project_in_turn(as_nobody):
    assert use_as("nobody", as_nobody) == ("answers\n", "")
    with running(as_nobody / ".postgres") as url:
        assert answers(url)
    assert use_as("nobody", as_nobody) == ("answers\n", "")


def test_a_second_user_is_told_to_work_in_a_clone_of_his_own(as_nobody, open_folder):
    assert use_as("nobody", as_nobody) == ("answers\n", "")
    _, said = use_as("daemon", as_nobody)
    assert "must belong to you, user " in said
    assert "clone of your own" in said
    with tempfile.TemporaryDirectory(dir=open_folder) as own:
        daemon = pwd.getpwnam("daemon")
        os.chown(own, daemon.pw_uid, daemon.pw_gid)
        assert use_as("daemon", Path(own)) == ("answers\n", "")


def test_a_file_in_place_of_the_folder_is_told(tmp_path):
    (tmp_path / ".postgres").touch()
    said = use(tmp_path).communicate()[1]
    assert ".postgres must be a folder of your own on a local disk but got: File exists" in said


class Project:
    """A project with an odd name, of few plays, and its command line."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def run(self, *command: str) -> "subprocess.CompletedProcess[str]":
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        return subprocess.run(
            command,
            cwd=self.folder,
            env=os.environ | {"PATH": path},
            capture_output=True,
            text=True,
            check=False,
        )

    def must(self, *command: str) -> str:
        done = self.run(*command)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stderr


@pytest.fixture(scope="module")
def project(open_folder) -> Project:
    """Return a project in which `dvc repro load` has run; leave it as it is."""
    folder = open_folder / 'the "best" o\'clock & [100%] música'
    folder.mkdir()
    for name in ("src", ".dvc/config", "dvc.yaml"):
        source, target = ROOT / name, folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copytree(source, target) if source.is_dir() else shutil.copy(source, target)
    shutil.copy(ROOT / ".dvcignore", folder)
    text = (ROOT / "params.yaml").read_text()
    sessions = "twin_sessions: 30 #"
    (folder / "params.yaml").write_text(text.replace("twin_sessions:", sessions, 1))
    project = Project(folder)
    project.must("git", "init", "--quiet")
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("DATABASE_URL", raising=False)
        project.must("dvc", "repro", "load")
    return project


def spoil_version(folder: Path) -> None:
    """Have there what PostgreSQL 16 made."""
    shutil.rmtree(folder)
    folder.mkdir()
    if cluster.IS_ROOT:
        nobody = pwd.getpwnam("nobody")
        os.chown(folder, nobody.pw_uid, nobody.pw_gid)
    old = cluster.program("initdb").parents[2] / "pginstall" / "bin" / "initdb"
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o777)
        options = cluster.process_options(folder) | {"cwd": name}
        command = [str(old), f"--pgdata={name}/old", "--auth=trust"]
        subprocess.run(command, check=True, capture_output=True, **options)
        shutil.rmtree(folder)
        copy(Path(name, "old"), folder)


def spoil_half(folder: Path) -> None:
    """Have there what a killed initdb of the wheel's own code leaves at first."""
    (folder / "PG_VERSION").unlink()


def spoil_more(folder: Path) -> None:
    """Have there what it leaves later."""
    (folder / "global/pg_control").unlink()


def spoil_content(folder: Path) -> None:
    (folder / "global/pg_control").write_bytes(b"nonsense")


def spoil_locale(folder: Path) -> None:
    """Have there what was made where another locale is installed."""
    with (folder / "postgresql.conf").open("a") as settings:
        settings.write("\nlc_messages = 'xx_YY.UTF-8'\n")


def refused(project: Project, spoil: Callable[[Path], None]) -> str:
    """Return what `skipcast load` says of data that were spoilt."""
    spoil(project.folder / ".postgres")
    failed = project.run("skipcast", "load")
    assert failed.returncode == 1
    assert "Traceback" not in failed.stderr
    return failed.stderr


def test_data_of_another_version_are_told_with_what_to_type_and_that_works(project):
    said = refused(project, spoil_version)
    assert "must hold a database of PostgreSQL 18 but got 16." in said
    commands = said.split("`")[1::2]
    assert len(commands) == 2
    for command in commands:
        project.must("sh", "-c", command)
    assert "up to date" in project.run("dvc", "status", "load").stdout


@pytest.mark.parametrize(
    ("spoil", "problem"),
    [
        (spoil_half, "must hold a whole database but got a part of one"),
        (spoil_more, "must be a folder on which Postgres starts but got:"),
        (spoil_content, "must be a folder on which Postgres starts but got:"),
        (spoil_locale, 'invalid value for parameter "lc_messages": "xx_YY.UTF-8"'),
    ],
)
def test_data_of_no_use_are_told_with_what_to_delete_and_that_works(project, spoil, problem):
    said = refused(project, spoil)
    assert problem in said
    project.must("sh", "-c", said.split("`")[1])
    assert "embedded, schema skipcast" in project.must("skipcast", "load")


def test_making_the_database_may_be_killed_at_any_moment(tmp_path):
    for seconds in (0.3, 0.5, 0.8):
        process = use(tmp_path)
        time.sleep(seconds)
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
    assert use(tmp_path).communicate(timeout=PATIENCE) == ("answers\n", "")
    wait_for_end(tmp_path / ".postgres")


def test_a_server_needs_no_socket_in_the_project(data):
    """Some disks can hold none; there nothing of ours is a socket."""
    with running(data):
        assert not any(path.is_socket() for path in data.rglob("*"))
