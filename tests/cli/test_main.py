"""What the command line says of errors that the machine made."""

import sys

import pytest
import typer

from skipcast.cli import main as cli


@pytest.fixture
def fail_with(monkeypatch, capsys):
    """Return what runs a command that fails, and returns what the user sees."""

    def run(error):
        app = typer.Typer(pretty_exceptions_enable=False)

        @app.command()
        def command():
            raise error

        monkeypatch.setattr(cli, "app", app)
        monkeypatch.setattr(sys, "argv", ["skipcast"])
        with pytest.raises(SystemExit):
            cli.main()
        return capsys.readouterr().err

    return run


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        MemoryError("Unable to allocate 9 GiB"),
        RuntimeError("std::bad_alloc"),
        RuntimeError("io.h:362: bad_malloc: Failed"),
    ],
)
def test_memory_ran_out(fail_with, error):
    said = fail_with(error)
    assert said.startswith("Error: Memory must suffice for what is computed but ran out: ")
    assert (str(error) or "no more was given") in said


def test_a_fault_of_the_code_keeps_its_traceback(fail_with):
    with pytest.raises(KeyError, match="skip"):
        fail_with(KeyError("skip"))
