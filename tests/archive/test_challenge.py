import re
import shutil
import subprocess

import numpy as np
import pytest

from skipcast.archive.challenge import find_pairs, lines
from skipcast.errors import SkipcastError
from skipcast.twin.challenge import write_test_set


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Return a kit with the test set of nine sessions of the twin; do not change it."""
    folder = tmp_path_factory.mktemp("kit")
    write_test_set(folder, sessions=9, seed=0)
    return folder


@pytest.fixture
def kit(made, tmp_path):
    return shutil.copytree(made, tmp_path / "kit")


def name(kind, day="20180715"):
    return f"log_{kind}_{day}_000000000000.csv"


def edit(kit, file, change):
    """Change the lines of a file: `change` gets its header and its rows."""
    path = kit / "test_set" / file
    header, *rows = path.read_text().splitlines()
    path.write_text("\n".join(change(header, rows)) + "\n")


def session(row):
    return row.split(",")[0]


def read(folder):
    return [row for pair in find_pairs(folder) for t in pair.read() for row in t.to_pylist()]


def test_pairs_come_in_order_whether_the_folder_or_the_kit_is_named(kit):
    for folder in (kit, kit / "test_set"):
        seconds = [pair.second.name for pair in find_pairs(folder)]
        assert seconds == [name("input", day) for day in ("20180715", "20180716", "20180717")]


def test_second_halves_have_no_outcome_and_first_ones_all(kit):
    rows = read(kit)
    assert len({row["session_id"] for row in rows}) == 9
    for row in rows:
        is_first = row["session_position"] <= row["session_length"] // 2
        assert (row["skip_2"] is not None) == is_first == (row["premium"] is not None)


def test_packed_files_read_the_same(kit):
    expected = read(kit)
    for path in (kit / "test_set").iterdir():
        subprocess.run(["gzip", path], check=True)
    assert read(kit) == expected


def test_more_columns_than_given_are_passed_over(kit):
    path = kit / "test_set" / name("input")
    header, *rows = path.read_text().splitlines()
    expected = read(kit)
    path.write_text("\n".join([f"{header},skip_2", *(f"{row},true" for row in rows)]) + "\n")
    assert read(kit) == expected


@pytest.mark.parametrize(("kind", "other"), [("input", "prehistory"), ("prehistory", "input")])
def test_a_file_without_the_other_one_is_named(kit, kind, other):
    (kit / "test_set" / name(kind, "20180716")).unlink()
    message = f"{name(other, '20180716')} must have a log_{kind} of the same day"
    with pytest.raises(SkipcastError, match=re.escape(message)):
        find_pairs(kit)


def test_a_day_that_is_there_twice_is_named(kit):
    (kit / "test_set/more").mkdir()
    text = (kit / "test_set" / name("input")).read_text()
    (kit / "test_set/more" / name("input")).write_text(f"{text}\n")
    with pytest.raises(SkipcastError, match=r"must have one log_input but has .* and more/log_inp"):
        find_pairs(kit)


def test_a_file_that_is_there_twice_is_read_once(kit, capsys):
    expected = read(kit)
    path = kit / "test_set" / name("input")
    (kit / "test_set/more").mkdir()
    shutil.copy(path, kit / "test_set/more" / path.name)
    subprocess.run(["gzip", "--keep", kit / "test_set" / name("prehistory")], check=True)
    assert read(kit) == expected
    told = capsys.readouterr().err
    assert f"Left out: more/{path.name}, the same as {path.name}." in told
    assert f"{name('prehistory')}.gz, unpacked as {name('prehistory')}." in told


def test_a_copy_of_a_day_under_another_name_is_told_before_the_work(kit):
    for kind in ("prehistory", "input"):
        shutil.copy(kit / "test_set" / name(kind), kit / "test_set" / name(kind, "20180801"))
    message = f"{name('input', '20180801')} is a copy of {name('input')}. Remove it"
    with pytest.raises(SkipcastError, match=re.escape(message)):
        find_pairs(kit)


def test_days_without_sessions_may_look_alike(kit):
    *_, last = find_pairs(kit)
    expected = [row for table in last.read() for row in table.to_pylist()]
    for day in ("20180715", "20180716"):
        for kind in ("prehistory", "input"):
            edit(kit, name(kind, day), lambda header, rows: [header])
    assert read(kit) == expected


def test_a_column_that_is_missing_is_named(kit):
    path = kit / "test_set" / name("input")
    path.write_text(path.read_text().replace("session_length", "length"))
    with pytest.raises(SkipcastError, match=f"{name('input')} must have .* lacks session_length"):
        read(kit)


def test_another_separator_is_named(kit):
    path = kit / "test_set" / name("prehistory")
    path.write_text(path.read_text().replace(",", ";"))
    with pytest.raises(SkipcastError, match="must be separated by commas but are by semicolons"):
        read(kit)


@pytest.mark.parametrize("change", [str.upper, lambda header: f" {header}"])
@pytest.mark.parametrize("kind", ["input", "prehistory"])
def test_a_column_that_is_spelled_otherwise_is_named(kit, kind, change):
    edit(kit, name(kind), lambda header, rows: [change(header), *rows])
    with pytest.raises(SkipcastError, match=r"must have the column session_id but has '.*'\. Take"):
        read(kit)


@pytest.mark.parametrize("kind", ["input", "prehistory"])
@pytest.mark.parametrize(
    "change",
    [lambda text: text.replace(b"\n", b"\r\n"), lambda text: b"\xef\xbb\xbf" + text],
    ids=["CRLF", "BOM"],
)
def test_text_of_windows_reads_the_same(kit, kind, change):
    expected = read(kit)
    path = kit / "test_set" / name(kind)
    path.write_bytes(change(path.read_bytes()))
    assert read(kit) == expected


@pytest.mark.parametrize("kind", ["input", "prehistory"])
def test_a_file_without_bytes_is_named(kit, kind):
    (kit / "test_set" / name(kind)).write_bytes(b"")
    with pytest.raises(SkipcastError, match=f"{name(kind)} must be CSV.* but is empty. Get it ag"):
        read(kit)


@pytest.mark.parametrize("kind", ["input", "prehistory"])
@pytest.mark.parametrize(
    "change",
    [
        lambda header, rows: [header, *rows, *rows],
        lambda header, rows: [header, *rows, *(r for r in rows if session(r) == session(rows[0]))],
        lambda header, rows: [header, rows[0], *rows],
        lambda header, rows: [header],
        lambda header, rows: [header, *rows[1:]],
    ],
    ids=["all twice", "a session twice", "a row twice", "no row", "a row less"],
)
def test_a_file_whose_sessions_are_not_whole_is_named(kit, kind, change):
    edit(kit, name(kind), change)
    with pytest.raises(SkipcastError, match=f"{name(kind)} must have the positions .* but has"):
        read(kit)


def test_a_first_half_that_is_longer_by_two_than_the_second_is_named(kit):
    first, second = (kit / "test_set" / name(kind) for kind in ("prehistory", "input"))
    header, moved, *rows = second.read_text().splitlines()
    second.write_text("\n".join([header, *rows]) + "\n")
    known = dict(zip(header.split(","), moved.split(","), strict=True))
    columns, *before = first.read_text().splitlines()
    last = next(row for row in reversed(before) if session(row) == session(moved))
    longer = dict(zip(columns.split(","), last.split(","), strict=True)) | known
    first.write_text("\n".join([columns, *before, ",".join(longer.values())]) + "\n")
    with pytest.raises(SkipcastError, match=r"log_prehistory.* must have the positions 1 to 10 "):
        read(kit)


def test_first_halves_of_another_day_are_named(kit):
    one, other = (kit / "test_set" / name("prehistory", f"2018071{day}") for day in (5, 6))
    spare = one.with_name("spare")
    one.rename(spare), other.rename(one), spare.rename(other)
    with pytest.raises(SkipcastError, match=r"log_prehistory_20180715.* but has none\. Take both"):
        read(kit)


def test_a_wrong_value_is_named_with_its_row_and_file(kit):
    path = kit / "test_set" / name("prehistory")
    path.write_text(path.read_text().replace("true", "perhaps", 1))
    with pytest.raises(SkipcastError, match=f"got 'perhaps' in row 1 .*{name('prehistory')}"):
        read(kit)


def test_a_folder_that_is_not_there_is_named(tmp_path):
    with pytest.raises(SkipcastError, match=r"must name a folder but .* Correct it"):
        find_pairs(tmp_path / "none")


def test_an_archive_is_to_be_unpacked_by_the_command_of_the_message(kit, tmp_path):
    expected = read(kit)
    archive = tmp_path / "20181113_test_set.tar.gz"
    subprocess.run(["tar", "-czf", archive, "test_set"], cwd=kit, check=True)
    shutil.rmtree(kit)
    for place in (archive, tmp_path):
        with pytest.raises(SkipcastError, match="Unpack the test set") as caught:
            find_pairs(place)
    command = re.search(r"`(.+?)`", str(caught.value))[1]
    subprocess.run(command, shell=True, cwd=tmp_path, check=True)
    assert read(tmp_path) == expected


def test_lines_are_characters_and_ends():
    skipped, is_last = np.array([1, 0, 1, 1], bool), np.array([0, 0, 1, 1], bool)
    assert lines(skipped, is_last) == b"101\n1\n"
    assert lines(skipped[:0], is_last[:0]) == b""
