"""The command line: one command per stage, and those for people."""

import gc
import os
import re
import sys
from typing import NoReturn

import typer

from skipcast.cli import (
    data,
    demo,
    features,
    listening,
    monitor,
    predict,
    promote,
    refit,
    refresh,
    report,
    run,
    search,
    serve,
    submit,
    twin,
)
from skipcast.errors import SkipcastError
from skipcast.files import disk_errors
from skipcast.processes import cpu_count, end_with_dvc

COMMANDS = (
    data.fetch,
    data.load,
    features.features,
    search.search,
    refit.refit,
    promote.promote,
    promote.rollback,
    refresh.refresh,
    run.run,
    report.figure,
    report.report,
    listening.listening,
    predict.predict,
    submit.submit,
    twin.twin,
    serve.serve,
    monitor.monitor,
    demo.demo,
)
NO_MEMORY = "bad_alloc|bad_malloc"  # in the errors of boosters
# As the loaders of Linux and macOS say it.
MISSING_LIBRARY = "cannot open shared object file|Error loading shared library|Library not loaded"

# Python would look for garbage after 700 objects. What commands import is no garbage, and to look
# for it takes an eighth of the time of a short command.
OBJECTS = 10_000

app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="One command per stage: reads its params and inputs, calls the stage, writes its outputs.",
)
for command in COMMANDS:
    app.command()(command)


def main() -> None:
    """Run a command; an error that a user can mend is one message and exit code 1."""
    gc.set_threshold(OBJECTS)
    # MLflow's messages about tables and copied files would hide those of the stages.
    os.environ.setdefault("MLFLOW_LOGGING_LEVEL", "WARNING")
    os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
    # Report within seconds that a tracking server does not answer; MLflow would try four minutes.
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "3")
    # MLflow would tell at length that there is no git program; what it wants is read without.
    os.environ.setdefault("GIT_PYTHON_REFRESH", "quiet")
    # Who uses what is nobody's business, unless the user says so.
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    # To load a pickle is to run what is in it; the models here hold none.
    os.environ.setdefault("MLFLOW_ALLOW_PICKLE_DESERIALIZATION", "false")
    end_with_dvc()
    try:
        # What the libraries would take by themselves: they know nothing of cgroups.
        os.environ.setdefault("OMP_NUM_THREADS", str(cpu_count()))
        with disk_errors():
            app()
    except SkipcastError as error:
        _fail(str(error))
    except Exception as error:
        message = _message(error)
        if message is None:
            raise
        _fail(message)


def _message(error: Exception) -> str | None:
    """Return what to say of an error that the machine made, None if it is a fault of the code."""
    if isinstance(error, MemoryError) or re.search(NO_MEMORY, str(error)):
        reason = [*str(error).splitlines(), "no more was given"][0]
        return (
            f"Memory must suffice for what is computed but ran out: {reason}. Lower search.plays "
            "or fetch.rows in params.yaml; docs/scale.md says how much which number needs. What is "
            "finished is kept."
        )
    if isinstance(error, ImportError | OSError) and re.search(MISSING_LIBRARY, str(error)):
        return (
            "The libraries that skipcast needs must be on this machine but one is not: "
            f"{error}\n`python tools/libraries.py` names the package to install."
        )
    return None


def _fail(message: str) -> NoReturn:
    typer.echo(f"Error: {message}", err=True)
    sys.exit(1)
