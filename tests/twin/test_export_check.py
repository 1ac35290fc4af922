"""Published statistics beside those of exports, as files."""

import json
import zipfile
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from skipcast.cli.twin import twin as command
from skipcast.errors import SkipcastError
from skipcast.twin.check import Row
from skipcast.twin.export import write_exports
from skipcast.twin.export_check import check_exports, read_exports

FEW = 0.03  # share of the statistics that chance may move over the edge for another seed


@pytest.fixture(scope="module")
def small(tmp_path_factory) -> Path:
    """Return a folder with the exports of three listeners who have 6,000 plays together."""
    folder = tmp_path_factory.mktemp("exports") / "small"
    write_exports(folder, listeners=3, plays=6_000, seed=1)
    return folder


def off(rows: list[Row]) -> list[str]:
    return [f"{row.quantity}: {row.published} but {row.measured:.4f}" for row in rows if row.off]


def with_rows(path: Path, target: Path, **values: object) -> Path:
    """Copy a zip, with other values of some keys in all rows."""
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(target, "w") as new:
        for name in old.namelist():
            if name.endswith(".json"):
                rows = [row | values for row in json.loads(old.read(name))]
                new.writestr(name, json.dumps(rows))
    return target


def test_the_exports_are_as_published(tmp_path):
    write_exports(tmp_path / "all", listeners=18, plays=300_000, seed=0)
    rows, _ = check_exports(tmp_path / "all")
    assert off(rows) == []


def test_those_of_another_seed_are_nearly_so(tmp_path):
    write_exports(tmp_path / "all", listeners=18, plays=200_000, seed=11)
    rows, _ = check_exports(tmp_path / "all")
    assert len(off(rows)) <= FEW * len(rows), off(rows)


def test_the_check_says_that_exports_are_synthetic(small):
    _, synthetic = check_exports(small)
    assert synthetic


def test_exports_with_other_artists_are_not_called_synthetic(small, tmp_path):
    path = with_rows(
        small / "listener-1.zip", tmp_path / "a.zip", master_metadata_album_artist_name="Somebody"
    )
    _, synthetic = check_exports(path)
    assert not synthetic


def test_what_ends_otherwise_is_off(small, tmp_path):
    path = with_rows(small / "listener-1.zip", tmp_path / "a.zip", reason_end="fwdbtn")
    rows, _ = check_exports(path)
    assert "reason_end fwdbtn share: 0.2119 but 1.0000" in off(rows)


def test_rows_are_read_once_and_without_what_is_no_play(small):
    plays, duplicates = read_exports(small)
    assert len(plays) == pytest.approx(6_000, abs=10)
    assert max(duplicates) > 0


def test_each_zip_is_a_listener(small):
    plays, _ = read_exports(small)
    assert sorted(plays["listener"].unique()) == ["listener-1", "listener-2", "listener-3"]


def test_one_zip_is_what_it_is_in_its_folder(small):
    of_one, _ = read_exports(small / "listener-2.zip")
    of_all, _ = read_exports(small)
    own = of_all[of_all["listener"] == "listener-2"].reset_index(drop=True)
    assert own.drop(columns="listener").equals(of_one.drop(columns="listener"))


def test_a_source_without_plays_names_the_command_that_writes_some(tmp_path):
    path = tmp_path / "endsong_0.json"
    path.write_text("[]")
    with pytest.raises(SkipcastError, match="must hold plays") as error:
        check_exports(path)
    remedy = str(error.value).split("`")[1]
    assert remedy == "skipcast twin --streaming-history --out FOLDER"
    app = typer.Typer()
    app.command()(command)
    words = remedy.replace("FOLDER", str(tmp_path / "new")).split()[2:]
    result = CliRunner().invoke(app, [*words, "--listeners", "1", "--plays", "500"])
    assert result.exit_code == 0
    assert len(read_exports(tmp_path / "new")[0]) == pytest.approx(500, abs=3)
