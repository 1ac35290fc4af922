import shutil
from pathlib import Path

import numpy as np
import pytest

from skipcast.errors import SkipcastError
from skipcast.twin.check import Row, check, render
from skipcast.twin.write import write_twin

ROWS = [Row("a", 0.5, 0.6, 0.01), Row("b", 0.5, 0.5, 0.01)]


def test_the_twin_behaves_as_published(tmp_path):
    write_twin(tmp_path / "twin", sessions=10_000, seed=0)
    rows, _ = check(tmp_path / "twin")
    assert [row for row in rows if row.off] == []


def test_the_check_says_that_the_twin_is_synthetic(twin):
    _, synthetic = check(twin)
    assert synthetic


def test_an_archive_gives_what_its_folder_gives(twin, tmp_path):
    archive = shutil.make_archive(str(tmp_path / "mssd"), "gztar", twin)
    assert repr(check(Path(archive))) == repr(check(twin))


def test_a_folder_without_the_files_is_an_error(tmp_path):
    with pytest.raises(SkipcastError, match="must hold plays"):
        check(tmp_path)


def test_what_is_not_measured_is_not_off():
    assert not Row("distinct tracks", 50_704, np.nan, 5_070).off


@pytest.mark.parametrize(
    ("synthetic", "title"),
    [
        (True, "Published beside twin (synthetic): 1 of 2 off"),
        (False, "Published beside measured: 1 of 2 off"),
    ],
)
def test_the_title_counts_what_is_off_and_says_what_is_synthetic(synthetic, title):
    assert render(ROWS, synthetic=synthetic).title == title


def test_the_table_marks_what_is_off():
    assert list(render(ROWS, synthetic=True).columns[-1].cells) == ["off", ""]
