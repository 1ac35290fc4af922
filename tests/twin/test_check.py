import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import typer
from typer.testing import CliRunner

from skipcast.archive.sample import read_subset
from skipcast.cli.twin import twin
from skipcast.errors import SkipcastError
from skipcast.schema import LOG, TRACK, names
from skipcast.twin.check import Row, check, render
from skipcast.twin.statistics import measure, published
from skipcast.twin.write import write_twin


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("twin") / "made"
    write_twin(folder, sessions=10_000, seed=0)
    return folder


@pytest.fixture(scope="module")
def rows(folder):
    return check(folder)[0]


def test_what_is_published_is_what_is_measured(folder):
    plays, tracks = read_subset(folder, None, rows=10**6, seed=0)
    assert set(measure(plays, tracks)) == set(published())


def test_the_twin_behaves_as_published(rows):
    assert [row for row in rows if row.off] == []


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("quantity", ["distinct tracks", "tempo over tracks, miss in sd"])
def test_too_few_plays_for_what_depends_on_their_number_are_not_off(quantity):
    found = measure(session("sssn"), tracks_by_hand())[quantity]
    assert np.isnan(found)
    assert not Row("distinct tracks", 50_704, found, 5_070).off


def session(outcomes: str, *, track: str = "t") -> pd.DataFrame:
    """Write a session by hand: one letter per play, s for skipped and n for not."""
    skipped = [letter == "s" for letter in outcomes]
    n = len(outcomes)
    plays = pd.DataFrame(0, index=range(n), columns=names(LOG)).astype(object)
    plays["session_id"], plays["track_id_clean"] = outcomes, track
    plays["session_position"], plays["session_length"] = range(1, n + 1), n
    for column in ("skip_1", "skip_2", "skip_3"):
        plays[column] = skipped
    plays["not_skipped"] = [not skip for skip in skipped]
    plays["premium"] = plays["hist_user_behavior_is_shuffle"] = False
    for column in ("context_type", "hist_user_behavior_reason_start"):
        plays[column] = "radio"
    return plays.infer_objects()


def tracks_by_hand() -> pd.DataFrame:
    return pd.DataFrame({name: [0.0] for name in names(TRACK)} | {"track_id": "t", "mode": "major"})


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize(
    ("quantity", "expected"),
    [
        ("skip_2 rate", 5 / 8),
        ("skip given skip 1 before", 3 / 5),
        ("skip given not 1 before", 1 / 1),
        ("skip given skip 2 before", 1 / 3),
        ("skip after 2 skips", 1 / 3),
        ("not after 1 nots", 0 / 1),
    ],
)
def test_sequences_measured_by_hand(quantity, expected):
    plays = pd.concat([session("sssn"), session("nssn")], ignore_index=True)
    assert measure(plays, tracks_by_hand())[quantity] == pytest.approx(expected)


def test_an_archive_gives_what_its_folder_gives(tmp_path):
    write_twin(tmp_path / "made", sessions=100, seed=5)
    archive = shutil.make_archive(str(tmp_path / "mssd"), "gztar", tmp_path / "made")
    assert repr(check(Path(archive))) == repr(check(tmp_path / "made"))


def test_a_folder_without_the_files_is_an_error(tmp_path):
    with pytest.raises(SkipcastError, match="must hold plays"):
        check(tmp_path)


def test_the_table_says_synthetic_and_marks_what_is_off():
    table = render([Row("a", 0.5, 0.6, 0.01), Row("b", 0.5, 0.5, 0.01)], synthetic=True)
    assert table.title == "Published beside twin (synthetic): 1 of 2 off"
    assert list(table.columns[-1].cells) == ["off", ""]
    assert render([], synthetic=False).title == "Published beside found: 0 of 0 off"


@pytest.fixture
def app():
    app = typer.Typer()
    app.command()(twin)
    return app


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_command_makes_then_checks(app, tmp_path):
    made = CliRunner().invoke(
        app, ["--sessions", "50", "--seed", "3", "--out", str(tmp_path / "t")]
    )
    assert made.exit_code == 0
    assert "50 synthetic sessions" in made.output
    checked = CliRunner().invoke(app, ["--check", str(tmp_path / "t")])
    assert checked.exit_code == 0
    assert "synthetic" in checked.output
    assert "skip_2 rate" in checked.output


@pytest.mark.parametrize("options", [[], ["--out", "a", "--check", "b"]])
def test_command_wants_one_of_out_and_check(app, options):
    result = CliRunner().invoke(app, options)
    assert isinstance(result.exception, SkipcastError)
    assert "must be given one of --out and --check" in str(result.exception)
