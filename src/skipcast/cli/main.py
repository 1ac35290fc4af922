"""The command line: one command per stage, and those for people."""

import os
import sys

import typer

from skipcast.cli import data, demo, predict, promote, report, search, serve, twin
from skipcast.errors import SkipcastError
from skipcast.files import disk_errors

COMMANDS = (
    data.fetch,
    data.load,
    data.features,
    search.search,
    promote.promote,
    promote.rollback,
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
    """Run a command; what a user can mend is one message and exit code 1, without a traceback."""
    # Chatter about tables made and files copied would bury what the stages say.
    os.environ.setdefault("MLFLOW_LOGGING_LEVEL", "WARNING")
    os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
    # A tracking server that is away is told after seconds; MLflow would try for four minutes.
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "3")
    try:
        with disk_errors():
            app()
    except SkipcastError as error:
        typer.echo(f"Error: {error}", err=True)
        sys.exit(1)
