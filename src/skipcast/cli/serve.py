"""The command `skipcast serve`: the champion behind `mlflow models serve`, as params.yaml says."""

import os
import re
import shlex
import sys
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from skipcast.errors import SkipcastError
from skipcast.params import Serve, read_params
from skipcast.processes import killed
from skipcast.promotion.alias import champion_uri


def serve(
    host: Annotated[str | None, typer.Option(help="Instead of serve.host.")] = None,
    port: Annotated[
        int | None, typer.Option(min=1, max=65535, help="Instead of serve.port.")
    ] = None,
    workers: Annotated[int | None, typer.Option(min=1, help="Instead of serve.workers.")] = None,
) -> None:
    """Serve the champion by `mlflow models serve`; print the command and become it."""
    from skipcast.promotion.registry import Registry

    params = read_params()
    options = {"host": host, "port": port, "workers": workers}
    changes = {name: value for name, value in options.items() if value is not None}
    command = serve_command(params.promote.model, params.serve.model_copy(update=changes))
    Registry(params.promote.model).require_champion()
    typer.echo(shlex.join(command), err=True)
    # MLflow looks for uvicorn on the PATH, which lacks it where the environment is not activated.
    scripts = Path(sys.executable).parent
    os.environ["PATH"] = f"{scripts}{os.pathsep}{os.environ.get('PATH', os.defpath)}"
    _become(command)


def _become(command: list[str]) -> NoReturn:
    """Run a command of MLflow in this process: whoever stops it, or systemd, stops MLflow itself.

    Raises:
        SkipcastError: the server ended otherwise than by a signal to this process.
    """
    from mlflow.cli import cli

    try:
        cli.main(command[1:], prog_name=command[0])
    except Exception as error:
        ended = re.search(r"Return code = (-?\d+)$", str(error))  # MLflow's words, and no class
        if not ended:
            raise
        code = int(ended[1])
        raise SkipcastError(
            "The scoring server must run until it is stopped but "
            f"{killed(code) or f'ended with {code}'}. Mend what it says above, or make memory "
            "free, and start it again."
        ) from None


def serve_command(model: str, params: Serve) -> list[str]:
    """Return the command that serves the champion of `model`.

    >>> shlex.join(serve_command("skipcast", Serve(host="127.0.0.1", port=5001, workers=2)))
    'mlflow models serve -m models:/skipcast@champion --env-manager local -p 5001 -h 127.0.0.1 -w 2'
    """
    what = ["mlflow", "models", "serve", "-m", champion_uri(model)]
    where = ["-p", str(params.port), "-h", params.host, "-w", str(params.workers)]
    return [*what, "--env-manager", "local", *where]
