import json
import shutil
from pathlib import Path

import pandas as pd
import pytest

from skipcast.errors import SkipcastError
from skipcast.parts import Draft, Parts, cut, write_parts

TABLES = [
    pd.DataFrame({"session_id": [id_], "tempo": [tempo]})
    for id_, tempo in [("a", 90.0), ("b", 120.0)]
]
MAKE_AGAIN = "`dvc repro --force fetch` makes it again"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "data" / "plays"


@pytest.fixture
def parts(folder: Path) -> Parts:
    return write_parts(folder, TABLES, made_by="fetch")


def test_what_was_written_is_read(parts: Parts, folder: Path) -> None:
    again = Parts.read(folder, made_by="fetch")
    assert again == parts
    assert (len(again), again.rows) == (2, 2)
    pd.testing.assert_frame_equal(again.part(1), TABLES[1])
    pd.testing.assert_frame_equal(again.part(1, ["tempo"]), TABLES[1][["tempo"]])
    assert [path.name for path in folder.parent.iterdir()] == ["plays"]


def test_the_same_tables_have_the_same_hash_and_others_another(
    parts: Parts, tmp_path: Path
) -> None:
    assert write_parts(tmp_path / "again", TABLES, made_by="fetch").hash == parts.hash
    assert write_parts(tmp_path / "other", TABLES[::-1], made_by="fetch").hash != parts.hash


def test_no_table(folder: Path) -> None:
    with pytest.raises(SkipcastError, match=r"plays must be there but is not. `dvc repro fetch`"):
        Parts.read(folder, made_by="fetch")


def test_a_part_is_missing(parts: Parts, folder: Path) -> None:
    (folder / "part-00001.parquet").unlink()
    with pytest.raises(SkipcastError, match=rf"part-00001.parquet must be there .* {MAKE_AGAIN}"):
        parts.whole()


@pytest.mark.parametrize("kind", ["cut short", "bit turned", "of another run"])
def test_a_part_is_not_as_it_was_written(kind: str, parts: Parts, folder: Path) -> None:
    path = folder / "part-00000.parquet"
    content = bytearray(path.read_bytes())
    if kind == "cut short":
        path.write_bytes(content[:-9])
    elif kind == "bit turned":
        content[20] ^= 1
        path.write_bytes(content)
    else:
        shutil.copy(folder / "part-00001.parquet", path)
    with pytest.raises(SkipcastError, match=rf"part-00000.parquet must be as the .* {MAKE_AGAIN}"):
        parts.part(0)
    assert len(parts.part(1)) == 1


@pytest.mark.parametrize("content", ["", "{}", '{"parts": [{"rows": "one"}]}'])
def test_the_manifest_is_damaged(content: str, parts: Parts, folder: Path) -> None:
    (folder / "_parts.json").write_text(content)
    with pytest.raises(SkipcastError, match=rf"parts.json must be as the stage .* {MAKE_AGAIN}"):
        Parts.read(folder, made_by="fetch")


def test_a_manifest_with_another_number_of_rows(parts: Parts, folder: Path) -> None:
    content = (folder / "_parts.json").read_text()
    (folder / "_parts.json").write_text(content.replace('"rows": 1', '"rows": 3', 1))
    wrong = Parts.read(folder, made_by="fetch")
    for read in (wrong.part, wrong.file):
        with pytest.raises(SkipcastError, match=rf"parts.json must be as .* {MAKE_AGAIN}"):
            read(0)


@pytest.mark.parametrize("kind", ["file", "link"])
def test_what_is_in_place_of_the_folder_is_replaced(kind: str, folder: Path) -> None:
    folder.parent.mkdir()
    other = folder.parents[1] / "other"
    other.write_text("stays")
    folder.touch() if kind == "file" else folder.symlink_to(other)
    for _ in range(2):
        assert write_parts(folder, TABLES, made_by="fetch").rows == 2
    assert [path.name for path in folder.parent.iterdir()] == ["plays"]
    assert other.read_text() == "stays"


def test_a_link_to_a_folder_is_replaced_and_that_folder_stays(folder: Path) -> None:
    other = write_parts(folder.parents[1] / "other", TABLES, made_by="fetch")
    folder.parent.mkdir()
    folder.symlink_to(other.folder)
    write_parts(folder, TABLES[::-1], made_by="fetch")
    assert [path.name for path in folder.parent.iterdir()] == ["plays"]
    assert not folder.is_symlink()
    assert other.whole()["tempo"].tolist() == [90.0, 120.0]


def test_a_manifest_that_lists_a_part_twice(parts: Parts, folder: Path) -> None:
    twice = [part.model_dump() for part in (*parts.manifest.parts, parts.manifest.parts[0])]
    (folder / "_parts.json").write_text(json.dumps({"parts": twice}))
    shutil.copy(folder / "part-00000.parquet", folder / "part-00002.parquet")
    with pytest.raises(SkipcastError, match=rf"parts.json must be as the stage .* {MAKE_AGAIN}"):
        Parts.read(folder, made_by="fetch")


def test_an_attempt_goes_on_with_the_parts_that_an_earlier_one_finished(folder: Path) -> None:
    Draft.open(folder, made_by="fetch", run="one").write(0, TABLES[0])
    again = Draft.open(folder, made_by="fetch", run="one")
    assert (again.has(0), again.has(1)) == (True, False)
    again.write(1, TABLES[1])
    assert again.publish(2).whole()["tempo"].tolist() == [90.0, 120.0]


def test_the_parts_of_another_run_are_made_again(folder: Path) -> None:
    Draft.open(folder, made_by="fetch", run="one").write(0, TABLES[0])
    assert not Draft.open(folder, made_by="fetch", run="other").has(0)


def test_the_table_that_was_there_stays_until_all_parts_are_finished(parts: Parts) -> None:
    draft = Draft.open(parts.folder, made_by="fetch", run="one")
    draft.write(0, TABLES[1])
    with pytest.raises(SkipcastError, match=r"part-00001.parquet must be there"):
        draft.publish(2)
    assert parts.whole()["tempo"].tolist() == [90.0, 120.0]


def test_a_kill_between_the_two_moves_loses_nothing(parts: Parts, folder: Path) -> None:
    draft = Draft.open(folder, made_by="fetch", run="one")
    draft.write(0, TABLES[1])
    (draft.place / "_parts.json").write_text("{}")
    folder.rename(folder.with_name(".plays.old"))
    again = Draft.open(folder, made_by="fetch", run="one")
    assert again.has(0)
    assert again.publish(1).whole()["tempo"].tolist() == [120.0]
    assert [path.name for path in folder.parent.iterdir()] == ["plays"]


def test_a_finished_part_that_the_disk_damaged_is_made_again(folder: Path) -> None:
    draft = Draft.open(folder, made_by="fetch", run="one")
    draft.write(0, TABLES[0])
    (draft.place / "part-00000.parquet").write_bytes(b"PAR1")
    with pytest.raises(SkipcastError, match=MAKE_AGAIN):
        draft.publish(1)
    assert not draft.has(0)


def test_parts_end_with_whole_sessions() -> None:
    table = pd.DataFrame({"session_id": [*"aaabbbbcd"]})
    parts = [part["session_id"].tolist() for part in cut(table, rows=4)]
    assert parts == [[*"aaabbbb"], [*"cd"]]
    assert [len(part) for part in cut(table, rows=100)] == [9]
    assert [len(part) for part in cut(table, rows=1)] == [3, 4, 1, 1]
