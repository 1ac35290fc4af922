import json

import pytest
import typer
from typer.testing import CliRunner

from skipcast.cli.twin import twin as command
from skipcast.errors import SkipcastError

pytestmark = pytest.mark.filterwarnings("ignore::RuntimeWarning")


def run(*options: str):
    app = typer.Typer()
    app.command()(command)
    return CliRunner().invoke(app, options)


def test_out_writes_as_many_sessions_as_it_is_told(tmp_path):
    result = run("--sessions", "50", "--seed", "3", "--out", str(tmp_path / "t"))
    assert "Wrote 50 synthetic sessions" in result.output


def test_check_prints_each_statistic_and_that_the_files_are_synthetic(twin):
    output = run("--check", str(twin)).output
    assert "skip_2 rate" in output
    assert "synthetic" in output


@pytest.mark.parametrize(
    ("options", "got"),
    [
        ([], "none of them"),
        (["--out", "a", "--check", "b"], "--out and --check"),
        (["--out", "a", "--test-set", "b"], "--out and --test-set"),
    ],
)
def test_none_or_two_tasks_are_an_error(options, got):
    result = run(*options)
    assert isinstance(result.exception, SkipcastError)
    assert "must be given one of --out, --test-set, --check" in str(result.exception)
    assert f"but got {got}" in str(result.exception)


def test_a_test_set_is_written_and_told(tmp_path):
    result = run("--sessions", "9", "--test-set", str(tmp_path / "kit"))
    assert "Wrote 9 synthetic half sessions and truth.txt" in " ".join(result.output.split())
    assert sorted(path.name for path in (tmp_path / "kit").iterdir()) == ["test_set", "truth.txt"]


def test_exports_are_written_and_told(tmp_path):
    result = run(
        "--streaming-history", "--listeners", "2", "--plays", "700", "--out", str(tmp_path / "t")
    )
    assert "Wrote 700 synthetic plays as 2 zips, one a listener, to" in result.output
    assert len(list((tmp_path / "t").iterdir())) == 2


def test_exports_are_checked_and_what_is_off_fails(tmp_path):
    run("--streaming-history", "--listeners", "1", "--plays", "3000", "--out", str(tmp_path / "t"))
    good = run("--streaming-history", "--check", str(tmp_path / "t"))
    assert "Published beside twin (synthetic): 0 of" in good.output
    assert good.exit_code == 0
    row = {"ts": "2024-01-01T00:00:00Z", "ms_played": 10, "reason_end": "fwdbtn"}
    row |= {"master_metadata_track_name": "x", "reason_start": "fwdbtn"}
    rows = [row | {"ts": f"2024-01-01T00:{i // 60:02}:{i % 60:02}Z"} for i in range(900)]
    (tmp_path / "endsong_0.json").write_text(json.dumps(rows))
    bad = run("--streaming-history", "--check", str(tmp_path / "endsong_0.json"))
    assert "off" in bad.output
    assert bad.exit_code == 1


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--listeners", "2"), "--listeners must be given with --streaming-history"),
        (("--plays", "0"), "--plays must be given with --streaming-history"),
        (("--streaming-history", "--sessions", "2"), "--sessions must be given without"),
        (("--streaming-history", "--parts"), "--parts must be given without"),
    ],
)
def test_options_of_the_other_data_are_refused(tmp_path, options, message):
    result = run(*options, "--out", str(tmp_path / "t"))
    assert isinstance(result.exception, SkipcastError)
    assert message in str(result.exception)
    assert not (tmp_path / "t").exists()


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ("--streaming-history", "--test-set must be given without --streaming-history"),
        ("--parts", "--parts must be given with --out but is given with --test-set"),
    ],
)
def test_options_that_are_not_of_a_test_set_are_refused(tmp_path, option, message):
    result = run(option, "--test-set", str(tmp_path / "t"))
    assert isinstance(result.exception, SkipcastError)
    assert message in str(result.exception)
    assert not (tmp_path / "t").exists()


@pytest.mark.parametrize("kind", [(), ("--streaming-history",)])
def test_a_seed_below_0_is_refused_in_words(tmp_path, kind):
    result = run(*kind, "--seed", "-1", "--out", str(tmp_path / "t"))
    assert result.exit_code == 2
    assert "'--seed'" in result.output
    assert not (tmp_path / "t").exists()
