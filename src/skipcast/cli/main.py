"""The command line: one command per stage, and those for people."""

import os
import sys

import typer

from skipcast.cli import data, demo, predict, promote, report, run, search, serve, twin
from skipcast.errors import SkipcastError
from skipcast.files import disk_errors

COMMANDS = (
    data.fetch,
    data.load,
    data.features,
    search.search,
    promote.promote,
    promote.rollback,
    run.run,
    report.figure,
    report.report,
    predict.predict,
    twin.twin,
    serve.serve,
    demo.demo,
)

app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="One command per stage: reads its params and inputs, calls the stage, writes its outputs.",
)
for command in COMMANDS:
    app.command()(command)


def main() -> None:
    """Run a command; an error that a user can mend is one message and exit code 1."""
    # MLflow's messages about tables and copied files would hide those of the stages.
    os.environ.setdefault("MLFLOW_LOGGING_LEVEL", "WARNING")
    os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
    # Report within seconds that a tracking server does not answer; MLflow would try four minutes.
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "3")
    try:
        with disk_errors():
            app()
    except SkipcastError as error:
        typer.echo(f"Error: {error}", err=True)
        sys.exit(1)
