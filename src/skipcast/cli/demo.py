"""The command `skipcast demo`: a page beside the scoring server."""

import contextlib
import socket
from typing import TYPE_CHECKING, Annotated, cast

import typer

from skipcast.artifacts import NAMES, PLAYS
from skipcast.errors import SkipcastError
from skipcast.params import Params, Serve, read_params
from skipcast.parts import Parts
from skipcast.promotion.alias import champion_uri
from skipcast.schema import LOG, Label, names

if TYPE_CHECKING:
    from fastapi import FastAPI

    from skipcast.clients.demo_shelf import Explain

HOST = "127.0.0.1"  # real sessions may not be passed on: nobody else sees the page


def demo(
    server: Annotated[
        str | None, typer.Option(help="Where the scoring server is, if not as serve says.")
    ] = None,
    port: Annotated[
        int | None, typer.Option(min=0, max=65535, help="Instead of demo.port; 0 takes a free one.")
    ] = None,
) -> None:
    """Open a page on the running scoring server: sessions, probabilities and their reasons."""
    import uvicorn

    from skipcast.clients.model_process import ModelProcess
    from skipcast.promotion.registry import Registry

    params = read_params()
    scorer = server or server_url(params.serve)
    listening = listen(params.demo.port if port is None else port)
    Registry.of(params.promote).require_champion()
    with ModelProcess(champion_uri(params.promote.model), "explain") as champion:
        app = make_app(params, scorer, champion.explain)
        champion.load()
        typer.echo(f"Scoring by {scorer}; the page is at", err=True)
        typer.echo(f"http://{HOST}:{listening.getsockname()[1]}/")
        config = uvicorn.Config(app, log_level="warning", timeout_graceful_shutdown=5)
        with contextlib.suppress(KeyboardInterrupt):  # uvicorn has ended before it passes it on
            uvicorn.Server(config).run(sockets=[listening])


def server_url(params: Serve) -> str:
    """Return where the scoring server answers to this machine.

    >>> server_url(Serve(host="0.0.0.0", port=5001, workers=1))
    'http://127.0.0.1:5001'
    """
    return f"http://{'127.0.0.1' if params.host == '0.0.0.0' else params.host}:{params.port}"


def listen(port: int) -> socket.socket:
    """Return a socket that listens on `port` of this machine alone, 0 for a free one.

    Raises:
        SkipcastError: another program has the port.
    """
    try:
        return socket.create_server((HOST, port))
    except OSError as error:
        raise SkipcastError(
            f"demo.port must be free but {port} is not: {error.strerror}. Take another one, or 0 "
            "for any that is free."
        ) from error


def make_app(params: Params, server: str, explain: "Explain") -> "FastAPI":
    """Return the app of the page, which offers the test sessions.

    Args:
        params: all of them.
        server: where the scoring server answers.
        explain: returns each play's contributions, as the champion's `explain` does.
    """
    from skipcast.clients.demo_server import ScoringServer, create_app
    from skipcast.clients.demo_shelf import Offer
    from skipcast.clients.demo_view import Reader
    from skipcast.evaluation.look_up import LookUp
    from skipcast.features.listener_counts import count_listeners
    from skipcast.features.table import with_label
    from skipcast.promotion.contents import inputs_of, label_of
    from skipcast.sessions import has_listeners
    from skipcast.split import TEST, split_sessions

    champion = champion_uri(params.promote.model)
    skip, inputs = cast(Label, label_of(champion)), inputs_of(champion)
    # Plays that an earlier skipcast fetched lack the columns of listeners.
    plays = Parts.read(PLAYS, made_by="fetch").part(0).reindex(columns=names(LOG))
    # Sessions that no search has seen: on others, the model would look better than it is.
    is_test = split_sessions(plays, params.split) == TEST
    reader, history = Reader(skip=skip), None
    if has_listeners(plays):
        look_up = LookUp.read(NAMES)
        history = look_up.dated(with_label(plays, skip))
        plays = plays.join(count_listeners(history)[0])
        reader = Reader(look_up, skip, you=plays["listener_id"].nunique() == 1)
    offered = plays.loc[is_test, [name for name in plays if name in inputs]]
    offer = Offer(offered, reader, history, params.fetch.timezone)
    return create_app(offer, ScoringServer(server), explain)
