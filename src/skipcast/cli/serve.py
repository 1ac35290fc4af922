"""The command `skipcast serve`: the champion behind `mlflow models serve`, as params.yaml says."""

import os
import shlex
import sys
from pathlib import Path
from typing import Annotated

import typer

from skipcast.params import Serve, read_params
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
    path = f"{scripts}{os.pathsep}{os.environ.get('PATH', os.defpath)}"
    # Not a child: whoever stops this process, a person or systemd, stops MLflow itself.
    os.execvpe(command[0], command, os.environ | {"PATH": path})


def serve_command(model: str, params: Serve) -> list[str]:
    """Return the command that serves the champion of `model`.

    >>> shlex.join(serve_command("skipcast", Serve(host="127.0.0.1", port=5001, workers=2)))
    'mlflow models serve -m models:/skipcast@champion --env-manager local -p 5001 -h 127.0.0.1 -w 2'
    """
    what = ["mlflow", "models", "serve", "-m", champion_uri(model)]
    where = ["-p", str(params.port), "-h", params.host, "-w", str(params.workers)]
    return [*what, "--env-manager", "local", *where]
