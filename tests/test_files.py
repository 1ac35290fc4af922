import pandas as pd
import pytest

from skipcast.errors import SkipcastError
from skipcast.files import read_parquet, replacing, write_json, write_parquet


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
