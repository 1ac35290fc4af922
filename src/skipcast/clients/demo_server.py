"""The page of `skipcast demo`: a small FastAPI app beside the scoring server, and its client."""

import json
from collections.abc import Awaitable, Callable
from importlib import resources
from pathlib import Path
from typing import Any

import pandas as pd
import urllib3
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import FileResponse, JSONResponse
from fastapi.staticfiles import StaticFiles
from pydantic import BaseModel
from starlette.middleware.trustedhost import TrustedHostMiddleware

from skipcast.clients.demo_session import parse_session
from skipcast.clients.demo_shelf import Explain, Offer, Shelf
from skipcast.clients.demo_view import view
from skipcast.clients.sentences import Row
from skipcast.errors import SkipcastError

PAGE = Path(__file__).with_name("demo_page")
SECONDS = 30.0  # that the scoring server may take
# The browser itself then refuses to ask any other host. Plotly writes its styles into the page.
POLICY = "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:"


class ScoringServer:
    """The server that `mlflow models serve` runs."""

    def __init__(self, url: str) -> None:
        self._url = url.rstrip("/")
        self._pool = urllib3.PoolManager(timeout=SECONDS, retries=False)

    def score(self, plays: pd.DataFrame) -> list[Row]:
        """Return the answer for each play of one session, with the history that it then had.

        Raises:
            SkipcastError: the server does not answer, refuses the plays or does not score each of
                them; the message says why.
        """
        table = plays.astype(object).where(plays.notna(), None).to_dict("split", index=False)
        body = {"dataframe_split": table, "params": {"score_history": True}}
        answer = self._post(json.dumps(body))
        if answer.status != 200:
            raise SkipcastError(
                f"The scoring server refuses the session (HTTP {answer.status}): {_reason(answer)}"
            )
        rows = _predictions(answer)
        if None in [row["skip_probability"] for row in rows]:
            raise SkipcastError(
                "The scoring server must score every play of a session but scores some alone. "
                "Serve a model whose features.horizon is started or queued."
            )
        return rows

    def _post(self, body: str) -> urllib3.BaseHTTPResponse:
        kind = {"Content-Type": "application/json"}
        try:
            return self._pool.request("POST", f"{self._url}/invocations", body=body, headers=kind)
        except urllib3.exceptions.HTTPError as error:
            raise SkipcastError(
                f"The scoring server must answer at {self._url} but does not. "
                "Start it with `skipcast serve`, then try again."
            ) from error


def _predictions(answer: urllib3.BaseHTTPResponse) -> list[Row]:
    names = ("skip_probability", "track_known")
    try:
        return [{name: row[name] for name in names} for row in answer.json()["predictions"]]
    except (ValueError, KeyError, TypeError) as error:
        raise SkipcastError(
            "The scoring server must answer with predictions but answers otherwise: it serves "
            "another model, or is none. Give --server the address of `skipcast serve`."
        ) from error


def _reason(answer: urllib3.BaseHTTPResponse) -> str:
    """Return the server's own words, without the request, which MLflow repeats before them."""
    try:
        return str(answer.json()["message"]).rpartition("\nError: ")[2]
    except (ValueError, KeyError, TypeError):
        return answer.data.decode(errors="replace")[:500]


class SessionRequest(BaseModel):
    """A session to show: one of those offered, or a pasted text."""

    session_id: str | None = None
    text: str | None = None


def create_app(offer: Offer, server: ScoringServer, explain: Explain) -> FastAPI:
    """Return the app.

    Args:
        offer: what there is to see.
        server: what scores the sessions.
        explain: returns each play's contributions, as `SkipModel.explain` does.
    """
    # FastAPI's own pages of documentation load their scripts from other hosts.
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
    _add_protection(app)
    shelf = Shelf(offer, explain)

    @app.get("/api/sessions")
    def list_sessions(listener: str | None = None) -> dict[str, Any]:
        return shelf.offered(listener)

    @app.get("/api/listening")
    def show_listening(listener: str) -> dict[str, Any]:
        return shelf.listening(listener)

    @app.post("/api/session")
    def show_session(request: SessionRequest) -> dict[str, Any]:
        id_, text = request.session_id, request.text or ""
        session = parse_session(text) if id_ is None else shelf.session(id_)
        return view(session, server.score(session), explain(session), offer.reader)

    @app.get("/plotly.min.js")
    def plotly() -> FileResponse:
        script = resources.files("plotly") / "package_data" / "plotly.min.js"
        return FileResponse(str(script), media_type="text/javascript")

    app.mount("/", StaticFiles(directory=PAGE, html=True))
    return app


def _add_protection(app: FastAPI) -> None:
    """Keep other hosts out, and answer HTTP 400 for what a user can mend."""
    # A page of another site must not read sessions here by a name that it points to this machine.
    app.add_middleware(TrustedHostMiddleware, allowed_hosts=["127.0.0.1", "localhost"])

    @app.middleware("http")
    async def refuse_other_hosts(
        request: Request, call_next: Callable[[Request], Awaitable[Response]]
    ) -> Response:
        answer = await call_next(request)
        answer.headers["Content-Security-Policy"] = POLICY
        return answer

    @app.exception_handler(SkipcastError)
    async def answer_error(_: Request, error: SkipcastError) -> JSONResponse:
        return JSONResponse({"message": str(error)}, status_code=400)

    @app.exception_handler(RequestValidationError)
    async def answer_fault(_: Request, error: RequestValidationError) -> JSONResponse:
        faults = "; ".join(str(fault["msg"]) for fault in error.errors())
        message = f"The page must ask for a session_id or a text but does not: {faults}."
        return JSONResponse({"message": f"{message} Reload it."}, status_code=400)
