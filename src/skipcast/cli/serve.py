"""The command `skipcast serve`: the champion behind `mlflow models serve`, as params.yaml says."""

import json
import os
import re
import shlex
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from skipcast.errors import SkipcastError
from skipcast.mlflow_store.place import MAKE_AGAIN
from skipcast.params import Serve, read_params
from skipcast.processes import killed, terminable

if TYPE_CHECKING:
    from skipcast.promotion.registry import Registry

CONFIG = "MLFLOW_PYFUNC_INFERENCE_CONFIG"  # MLflow's variable for the configuration of a model
LOCAL = "127.0.0.1"  # where servers behind nginx answer


def serve(
    host: Annotated[str | None, typer.Option(help="Instead of serve.host.")] = None,
    port: Annotated[
        int | None, typer.Option(min=1, max=65535, help="Instead of serve.port.")
    ] = None,
    workers: Annotated[int | None, typer.Option(min=1, help="Instead of serve.workers.")] = None,
    follow: Annotated[
        bool, typer.Option("--follow", help="Serve each new champion, too, behind nginx.")
    ] = False,
    proxy: Annotated[
        Path | None,
        typer.Option(help="With --follow: folder to run nginx in; else a copy of deploy/."),
    ] = None,
) -> None:
    """Serve the champion by `mlflow models serve`; print the command and become it."""
    from skipcast.promotion.registry import Registry

    params = read_params()
    options = {"host": host, "port": port, "workers": workers}
    changes = {name: value for name, value in options.items() if value is not None}
    settings = params.serve.model_copy(update=changes)
    registry = Registry.of(params.promote)
    # MLflow looks for uvicorn on the PATH, which lacks it where the environment is not activated.
    scripts = Path(sys.executable).parent
    os.environ["PATH"] = f"{scripts}{os.pathsep}{os.environ.get('PATH', os.defpath)}"
    with terminable(), tempfile.TemporaryDirectory(prefix="skipcast.") as folder:
        if settings.log is not None:
            _prepare_log(log_folder(settings.log))
        os.environ |= _variables(settings, Path(folder))
        if follow:
            _follow(registry, settings, proxy, Path(folder))
        else:
            _serve(registry, settings, Path(folder))


def _serve(registry: "Registry", settings: Serve, folder: Path) -> None:
    version, copy, note = registry.take_champion(folder)
    typer.echo(note or f"The champion is version {version}, as it was registered.", err=True)
    if settings.log is not None:
        _check_keeps_log(copy, version)
    command = serve_command(copy, settings)
    set_first = [f"{CONFIG}={shlex.quote(os.environ[CONFIG])}"] if settings.log is not None else []
    typer.echo(" ".join([*set_first, shlex.join(command)]), err=True)
    _become(command)


def _variables(settings: Serve, folder: Path) -> dict[str, str]:
    """Return the variables of the server: what keeps a log, and where workers count together.

    Args:
        settings: of the server.
        folder: for temporary files.
    """
    from skipcast.serving.metrics import FOLDER

    variables = {} if settings.log is None else {CONFIG: configuration(settings.log, settings)}
    if settings.workers > 1 and FOLDER not in os.environ:
        variables[FOLDER] = tempfile.mkdtemp(prefix="metrics.", dir=folder)
    return variables


def configuration(log: str, settings: Serve) -> str:
    """Return MLflow's configuration of a model that keeps a log.

    >>> configuration("/srv/answers", Serve(host="127.0.0.1", port=5001, workers=2))
    '{"log": "/srv/answers", "log_mb": 100}'
    """
    others = json.loads(os.environ.get(CONFIG, "{}"))
    return json.dumps(others | {"log": str(log_folder(log)), "log_mb": settings.log_mb})


def log_folder(text: str) -> Path:
    """Return the folder that `serve.log` names, with `~` and variables replaced."""
    return Path(os.path.expandvars(text)).expanduser().absolute()


def _prepare_log(folder: Path) -> None:
    """Find out before the server starts whether it can keep a log.

    Raises:
        SkipcastError: the folder cannot be written.
    """
    from skipcast.serving.log_files import prepare_folder

    try:
        prepare_folder(folder)
    except (OSError, ValueError) as error:
        raise SkipcastError(
            f"serve.log must name a folder that can be written but {folder} is none: {error}. "
            "Correct it in params.yaml, or set it to null to keep no log."
        ) from error


def _check_keeps_log(model: Path, version: int) -> None:
    """Refuse a model whose code keeps no log, as nobody would notice before the log is read.

    Raises:
        SkipcastError: it is of an earlier skipcast.
    """
    from skipcast.promotion.contents import config_of

    if "log" not in config_of(str(model)):
        raise SkipcastError(
            f"serve.log must be null for version {version}, which an earlier skipcast made and "
            f"which keeps no log. Set it to null; or make a new champion: {MAKE_AGAIN}."
        )


def _follow(registry: "Registry", settings: Serve, proxy: Path | None, folder: Path) -> None:
    from skipcast.clients.proxy import Proxy, find_nginx, prepare
    from skipcast.promotion.follow import Follower

    def command(model: Path, port: int) -> list[str]:
        return serve_command(model, settings.model_copy(update={"host": LOCAL, "port": port}))

    nginx = find_nginx()
    if proxy is None:
        proxy = prepare(Path("deploy"), folder, host=settings.host, port=settings.port)
        typer.echo(f"nginx answers at {settings.host}:{settings.port}", err=True)
    Follower(registry, Proxy(nginx, proxy.resolve()), command, _say).run()


def _say(text: str) -> None:
    typer.echo(f"skipcast: {text}", err=True)


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


def serve_command(model: str | Path, params: Serve) -> list[str]:
    """Return the command that serves a model, by MLflow's name of it or by its folder.

    >>> shlex.join(serve_command("model", Serve(host="127.0.0.1", port=5001, workers=2)))
    'mlflow models serve -m model --env-manager local -p 5001 -h 127.0.0.1 -w 2'
    """
    what = ["mlflow", "models", "serve", "-m", str(model)]
    where = ["-p", str(params.port), "-h", params.host, "-w", str(params.workers)]
    return [*what, "--env-manager", "local", *where]
