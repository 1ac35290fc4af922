import errno
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from skipcast.errors import SkipcastError
from skipcast.files import (
    disk_errors,
    read_parquet,
    replacing,
    write_array,
    write_json,
    write_parquet,
)
from skipcast.folders import move_into


def test_a_failure_leaves_the_previous_file_and_nothing_else(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("previous")

    def fail():
        with replacing(path) as temporary:
            temporary.write_text("half")
            raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        fail()
    assert path.read_text() == "previous"
    assert list(tmp_path.iterdir()) == [path]


KILLED = """
import os, signal, sys
from pathlib import Path
from skipcast.files import replacing
with replacing(Path(sys.argv[1])) as temporary:
    temporary.write_text("half")
    os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.fixture
def killed(tmp_path):
    """A folder in which a process was killed while it wrote a file."""
    done = subprocess.run([sys.executable, "-c", KILLED, tmp_path / "a.csv"], check=False)
    assert done.returncode == -signal.SIGKILL
    assert [path.name[:6] for path in tmp_path.iterdir()] == [".a.csv"]
    return tmp_path


@pytest.mark.parametrize("name", ["a.csv", "b.csv"])
def test_the_next_file_deletes_what_a_kill_has_left_beside_it(killed, name):
    with replacing(killed / name) as temporary:
        temporary.write_text("whole")
    assert [path.name for path in killed.iterdir()] == [name]


def test_what_another_is_writing_stays(tmp_path):
    with replacing(tmp_path / "a.csv") as one:
        with replacing(tmp_path / "a.csv") as other:
            other.write_text("other")
        one.write_text("one")
    assert (tmp_path / "a.csv").read_text() == "one"


def test_hidden_folders_of_others_stay(tmp_path):
    (tmp_path / ".a.csv.old").mkdir()
    write_json(tmp_path / "a.csv", {})
    assert (tmp_path / ".a.csv.old").is_dir()


def test_reads_what_was_written_and_writes_equal_bytes(tmp_path):
    table = pd.DataFrame({"a": [1.5, None], "b": ["x", "y"]})
    one, two = tmp_path / "new" / "1.parquet", tmp_path / "2.parquet"
    write_parquet(one, table)
    write_parquet(two, table.copy())
    pd.testing.assert_frame_equal(read_parquet(one, made_by="fetch"), table)
    assert one.read_bytes() == two.read_bytes()
    write_json(tmp_path / "a.json", {"b": [1]})
    assert (tmp_path / "a.json").read_text() == '{\n  "b": [\n    1\n  ]\n}\n'


def test_a_missing_input_names_the_stage_that_makes_it(tmp_path):
    with pytest.raises(SkipcastError, match="dvc repro load"):
        read_parquet(tmp_path / "a.parquet", made_by="load")


@pytest.mark.parametrize("keep", [0, 4, 100, -1])
def test_a_damaged_table_is_told_with_the_stage_that_makes_it_again(tmp_path, keep):
    path = tmp_path / "a.parquet"
    write_parquet(path, pd.DataFrame({"a": range(1000)}))
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(SkipcastError, match=r"is damaged: .* `dvc repro --force fetch` makes it"):
        read_parquet(path, made_by="fetch")


def test_moves_files_and_folders_over_those_of_the_same_name(tmp_path):
    source, target = tmp_path / "source", tmp_path / "target"
    for folder, text in ((source, "new"), (target, "old")):
        (folder / "figures").mkdir(parents=True)
        (folder / "figures" / f"{text}.png").write_text(text)
        (folder / "card.md").write_text(text)
    move_into(source, target)
    assert (target / "card.md").read_text() == "new"
    assert [path.name for path in (target / "figures").iterdir()] == ["new.png"]


@pytest.mark.parametrize(
    ("number", "why"),
    [(errno.ENOSPC, "is full"), (errno.EDQUOT, "is full"),
     (errno.EFBIG, "`ulimit -f` allows no file so large")],
)  # fmt: skip
def test_a_full_disk_is_an_error_that_names_the_file_and_the_remedy(number, why):
    match = rf"disk must have room for a\.txt but {why}\. Make room"
    with pytest.raises(SkipcastError, match=match), disk_errors():
        raise OSError(number, "full", "a.txt")


@pytest.mark.parametrize("length", [1, 100_000])
def test_an_array_that_a_full_disk_cuts_off_is_told(length):
    with pytest.raises(SkipcastError, match=r"must have room for .* but is full"), disk_errors():
        write_array(Path("/dev/full"), np.zeros(length))


@pytest.mark.parametrize("number", [errno.EACCES, errno.EROFS])
def test_a_file_that_is_closed_to_this_user_is_named(number):
    match = r"^a\.txt must be open to this user but is not: no\. Correct its owner, its rights"
    with pytest.raises(SkipcastError, match=match), disk_errors():
        raise OSError(number, "no", "a.txt")


@pytest.mark.parametrize(
    "error", [PermissionError(errno.EPERM, "no"), FileNotFoundError(errno.ENOENT, "no", "a.txt")]
)
def test_an_error_of_something_else_stays_what_it_is(error):
    """Such as of a signal to another user's process."""
    with pytest.raises(type(error)), disk_errors():
        raise error
