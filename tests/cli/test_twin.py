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


@pytest.mark.parametrize("options", [[], ["--out", "a", "--check", "b"]])
def test_neither_or_both_of_out_and_check_are_an_error(options):
    result = run(*options)
    assert isinstance(result.exception, SkipcastError)
    assert "must be given one of --out and --check" in str(result.exception)
