"""The files of the log: never over their limit, and never in the way of an answer."""

import resource
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from skipcast.serving import log_files
from skipcast.serving.log_files import FILES, LogFiles, prepare_folder

HEADER = b'{"version": "1", "features": []}'
LINE = b"x" * 99


@pytest.fixture
def folder(tmp_path):
    prepare_folder(tmp_path / "log")
    return tmp_path / "log"


def size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.glob("*.jsonl"))


def lines(folder: Path) -> list[bytes]:
    content = b"".join(path.read_bytes() for path in sorted(folder.glob("*.jsonl")))
    return [line for line in content.split(b"\n") if line and line != HEADER]


@contextmanager
def full_disk(room: int) -> Iterator[None]:
    """Let no file of this process grow above `room` bytes: the system writes a part, then fails."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (room, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_the_folder_never_has_more_than_its_limit_and_keeps_the_newest_lines(folder):
    limit = FILES * 8192
    writers = [LogFiles(folder, limit=limit, header=HEADER) for _ in range(3)]
    for i in range(6000):
        writers[i % 3].append([b"%06d" % i])
        if i % 50 == 0:
            writers[i % 3].append([LINE] * 70)
            assert size(folder) <= limit
    kept = lines(folder)
    assert b"005999" in kept
    assert b"000001" not in kept
    assert len(kept) > 1000


def test_what_a_process_writes_is_not_removed_before_the_process_ends(folder):
    idle = LogFiles(folder, limit=FILES * 8192, header=HEADER)
    idle.append([b"idle"])
    busy = LogFiles(folder, limit=FILES * 8192, header=HEADER)
    for _ in range(100):
        busy.append([LINE] * 70)
    idle.append([b"still there"])
    assert {b"idle", b"still there"} <= set(lines(folder))


def test_lines_of_many_threads_stay_whole(folder):
    def write(name: int) -> None:
        files = LogFiles(folder, limit=10**6, header=HEADER)
        for i in range(300):
            files.append([b"%d %04d" % (name, i)] * 2)

    threads = [threading.Thread(target=write, args=(name,)) for name in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    expected = [b"%d %04d" % (name, i) for name in range(4) for i in range(300)]
    assert sorted(lines(folder)) == sorted(expected * 2)


WRITE = """
import sys
from pathlib import Path
from skipcast.serving.log_files import LogFiles
files = LogFiles(Path(sys.argv[1]), limit=10**7, header=b'{"version": "1", "features": []}')
files.append([b"begun"])
print(flush=True)
while True:
    files.append([b"%050d" % 7] * 500)
"""


def test_a_kill_in_the_middle_of_writing_cuts_off_one_line_at_most(folder):
    for pause in (0.0, 0.02, 0.05):
        with subprocess.Popen(
            [sys.executable, "-c", WRITE, folder], stdout=subprocess.PIPE
        ) as writer:
            assert writer.stdout is not None
            writer.stdout.readline()
            time.sleep(pause)
            writer.kill()
    LogFiles(folder, limit=10**7, header=HEADER).append([b"after"])
    cut = [line for line in lines(folder) if line not in (b"begun", b"after", b"%050d" % 7)]
    assert len(cut) <= 3
    assert lines(folder)[-1] == b"after"


def test_a_full_disk_loses_lines_and_is_tried_again(folder, monkeypatch, caplog):
    monkeypatch.setattr(log_files, "PAUSE", 0.0)
    files = LogFiles(folder, limit=10**6, header=HEADER)
    files.append([b"before"])
    with full_disk(size(folder) + 50):
        files.append([LINE])
        files.append([LINE])
    assert files.lost == 2
    assert "serve.log must be written but is not" in caplog.text
    files.append([b"after"])
    kept = lines(folder)
    assert kept[0] == b"before"
    assert kept[-1] == b"after"
    assert LINE not in kept
    assert files.lost == 2


def test_no_room_for_the_first_line_leaves_no_file(folder):
    files = LogFiles(folder, limit=10**6, header=HEADER)
    with full_disk(10):
        files.append([LINE])
    assert files.lost == 1
    assert not [*folder.glob("*.jsonl")]


def test_a_file_that_somebody_removes_is_begun_anew(folder):
    files = LogFiles(folder, limit=10**6, header=HEADER)
    files.append([b"before"])
    for path in folder.glob("*.jsonl"):
        path.unlink()
    files.append([b"after"])
    assert lines(folder) == [b"after"]
    assert files.lost == 0


def test_a_folder_that_is_gone_loses_lines(folder):
    files = LogFiles(folder, limit=10**6, header=HEADER)
    files.append([LINE])
    shutil.rmtree(folder)
    files.append([LINE])
    assert files.lost == 1


def test_all_processes_have_one_salt_that_only_their_user_reads(tmp_path):
    salts = set()
    threads = [
        threading.Thread(target=lambda: salts.add(prepare_folder(tmp_path / "log")))
        for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    (salt,) = salts
    assert len(salt) == 32
    assert (tmp_path / "log/salt").stat().st_mode & 0o777 == 0o600
    assert {path.name for path in (tmp_path / "log").iterdir()} == {"salt", ".gitignore"}


def test_a_damaged_salt_is_told(folder):
    (folder / "salt").write_bytes(b"")
    with pytest.raises(ValueError, match=r"salt must have 32 bytes but has 0\. Remove it"):
        prepare_folder(folder)
    (folder / "salt").unlink()
    assert len(prepare_folder(folder)) == 32
