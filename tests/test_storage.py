"""Files in buckets of a real server of S3, which may also not be there or refuse."""

import os
import socket
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest
import s3fs
from harness.buckets import s3_server

from skipcast.archive.source import expand, find_files
from skipcast.archive.work import stamp
from skipcast.errors import SkipcastError
from skipcast.files import replacing
from skipcast.storage import S3, check_root, is_remote, locate, upload


@pytest.fixture(scope="module")
def server():
    with s3_server() as url:
        locate("s3://plays").fs.mkdir("plays")
        yield url


@pytest.fixture
def bucket(server):
    assert server
    return locate("s3://plays")


def test_a_path_is_a_path():
    assert locate("~/data/plays") == Path("~/data/plays")
    assert not is_remote(locate("plays.csv"))


def test_what_is_written_is_there_when_it_is_whole(bucket):
    target = bucket / "written" / "answers.csv"
    with pytest.raises(ZeroDivisionError), replacing(target) as temporary:
        temporary.write_text(f"half {1 / 0}")
    assert not target.exists()
    with replacing(target) as temporary:
        temporary.write_text("whole")
    assert target.read_bytes() == b"whole"


def test_files_of_a_folder_are_found_as_on_a_disk(bucket, tmp_path):
    contents = {"b/two.csv": "2", "a/one.csv": "1", "a/again.csv": "1", "a/._one.csv": "", "x": ""}
    for name, content in contents.items():
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(content)
        upload(path, bucket / "found" / name)
    told = {}
    for folder in (tmp_path, bucket / "found"):
        told[folder] = sentences = []
        found = find_files(folder, (".csv",), sentences.append)
        assert [path.relative_to(folder).as_posix() for path in found] == [
            "a/again.csv",
            "b/two.csv",
        ]
    assert (
        told[tmp_path]
        == told[bucket / "found"]
        == ["Left out: a/one.csv, the same as a/again.csv."]
    )


def test_a_file_that_is_written_anew_is_another_one(bucket):
    path = bucket / "stamped.csv"
    path.write_bytes(b"one")
    before = stamp(path)
    assert stamp(locate(str(path))) == before
    path.write_bytes(b"two")
    assert stamp(path) != before


def test_variables_in_an_address(bucket, monkeypatch):
    (bucket / "variable.csv").write_bytes(b"1")
    monkeypatch.setenv("BUCKET", "plays")
    assert str(expand("s3://$BUCKET/variable.csv")) == "s3://plays/variable.csv"


@pytest.mark.parametrize(
    ("address", "reason"),
    [
        ("s3://plays/nothing.csv", "plays/nothing.csv"),
        ("s3://nobody/plays.csv", "The specified bucket does not exist"),
        ("s3a://nobody/plays.csv", "The specified bucket does not exist"),
        ("https://localhost:9/log.csv", "https://localhost:9/log.csv"),
    ],
)
def test_nothing_at_an_address(bucket, address, reason):
    with pytest.raises(SkipcastError, match=f"{address} must be reachable but is not: {reason}. C"):
        expand(address)


def test_a_bucket_to_write_in_that_is_not_there(bucket):
    with pytest.raises(SkipcastError, match=r"s3://nobody/a/b\.csv must be reachable but is not: "):
        check_root(locate("s3://nobody/a/b.csv"))
    check_root(bucket / "new" / "b.csv")


@pytest.mark.parametrize("address", ["gs://plays/a.csv", "nothing://plays/a.csv"])
def test_an_address_that_cannot_be_opened_here(address):
    with pytest.raises(SkipcastError, match=f"{address} must be a path, or an address .*install"):
        locate(address)


def test_without_the_packages(monkeypatch):
    monkeypatch.setitem(sys.modules, "upath", None)
    with pytest.raises(SkipcastError, match=r"`pip install 'skipcast\[cluster\]'` installs what"):
        locate("s3://plays")


def expand_elsewhere(**variables):
    """Return what a process says of an address that has other variables."""
    program = "from skipcast.archive.source import expand\nexpand('s3://plays/stamped.csv')"
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, **variables},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    return done.stderr.splitlines()[-1]


@pytest.mark.parametrize("is_there", [False, True])
def test_a_server_that_is_not_there_or_is_silent(monkeypatch, is_there):
    monkeypatch.setattr(s3fs.S3FileSystem, "retries", 1)
    monkeypatch.setitem(S3["config_kwargs"], "read_timeout", 0.2 + is_there / 10)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1] if is_there else 9
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{port}")
        with pytest.raises(
            SkipcastError, match=r"s3://plays/a\.csv must be reachable but is not: "
        ):
            expand("s3://plays/a.csv")


def ask_for_rights(server, after):
    """Have the server look who asks, after some requests."""
    headers = {"Content-Type": "text/plain"}
    asked = urllib.request.Request(f"{server}/moto-api/reset-auth", after, headers)
    urllib.request.urlopen(asked).close()


def test_wrong_credentials_and_none(server, bucket):
    (bucket / "stamped.csv").write_bytes(b"one")
    none = {"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": "", "AWS_EC2_METADATA_DISABLED": "1"}
    assert "must be reachable but is not: Unable to locate credentials" in expand_elsewhere(**none)
    ask_for_rights(server, b"0")
    try:
        with pytest.raises(SkipcastError, match=r"must be reachable but is not: .*Correct the"):
            expand(str(bucket / "stamped.csv"))
    finally:
        ask_for_rights(server, b"1e9")
