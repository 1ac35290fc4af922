"""The database server: connections to it, and errors that users can read.

`DATABASE_URL` names the server. If it is unset, an embedded one keeps its data in the folder
`.postgres` and runs while a stage needs it.
"""

import os
import platform
import socket
import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, closing, contextmanager, suppress
from pathlib import Path
from typing import Any

import psycopg2
from psycopg2 import extensions
from psycopg2.sql import SQL, Identifier

from skipcast.database import cluster, embedded
from skipcast.database.address import describe_server, parts_of, read_address
from skipcast.database.waits import announced_waits
from skipcast.errors import SkipcastError, hide_credentials

Connection = extensions.connection
EMBEDDED = Path(".postgres")
DEFAULTS = {
    "connect_timeout": 10,  # seconds
    # Routers cut connections that say nothing for some minutes, and do not say so.
    "keepalives_idle": 30,  # seconds
    "keepalives_interval": 10,
    "keepalives_count": 3,
    "tcp_user_timeout": 60_000,  # milliseconds
}


@contextmanager
def connect() -> Iterator[Connection]:
    """Yield a connection to the server of `DATABASE_URL`, or to the embedded one.

    The transaction is committed at the end and rolled back on an error. No message contains the
    password. Who keeps the transaction waiting is said.

    Raises:
        SkipcastError: `DATABASE_URL` cannot be read, its server does not answer or refuses, or the
            database fails in between.
    """
    with connect_several(1) as (connection,):
        yield connection


@contextmanager
def connect_several(count: int) -> Iterator[list[Connection]]:
    """Yield `count` connections, or fewer where the server has no room for as many; one at least.

    The first is as of `connect`. What the others have not committed at the end is rolled back.

    Raises:
        SkipcastError: as of `connect`.
    """
    with (
        server() as url,
        closing(open_connection(url)) as connection,
        announced(url),
        readable_errors(url),
        _transaction(connection),
        ExitStack() as stack,
    ):
        yield [connection, *_open_more(url, count - 1, stack)]


@contextmanager
def _transaction(connection: Connection) -> Iterator[None]:
    try:
        yield
    except BaseException:
        with suppress(psycopg2.Error):  # what failed first is what to tell
            connection.rollback()
        raise
    connection.commit()


def _open_more(url: str, count: int, stack: ExitStack) -> list[Connection]:
    """Return up to `count` connections, and leave room for one, which asks who holds a lock."""
    opened: list[Connection] = []
    for _ in range(count + bool(count)):
        try:
            another = stack.enter_context(closing(_open(url)))
            with _hanging_up(another):
                _process(another)
        except psycopg2.OperationalError:
            break
        opened.append(another)
    if opened:
        opened.pop().close()
    return opened


def open_connection(url: str) -> Connection:
    """Return a connection to the server of `url`; the caller closes it.

    Raises:
        SkipcastError: the server does not answer or refuses, or a pooler shares its processes.
    """
    try:
        connection = _open(url)
        if _is_shared(connection, url):
            connection.close()
            raise SkipcastError(
                "DATABASE_URL must lead to a server, or to a pooler in session mode, but "
                f"{describe_server(url)} is a pooler in transaction mode, where locks and settings "
                "go astray. Name the server itself (at Supabase port 5432, at Neon the host "
                "without -pooler), or set pool_mode = session in PgBouncer."
            )
    except UnicodeDecodeError as error:  # a server that has not said its encoding yet
        raise SkipcastError(_no_answer(url, error.object.decode(errors="replace"))) from None
    except psycopg2.Error as error:
        raise SkipcastError(_no_answer(url, str(error))) from None
    return connection


def _open(url: str) -> Connection:
    given = parts_of(url)
    settings: dict[str, Any] = {
        name: value for name, value in DEFAULTS.items() if name not in given
    }
    # By this name, those whom this process keeps waiting find it.
    name = f"skipcast {os.getpid()} on {platform.node()}"
    opened: Connection = psycopg2.connect(url, application_name=name, **settings)
    return opened


def _is_shared(connection: Connection, url: str) -> bool:
    """Tell whether a pooler gives several connections one process of the server, in turn.

    Whoever has no pooler before it gets the number of its process when it connects. A pooler sends
    another one; then two connections take turns, and the server says which process serves each.
    """
    if _process(connection) == connection.info.backend_pid:
        return False
    with closing(_open(url)) as other, _hanging_up(other):
        turns = (connection, other, other, connection, connection, other)
        try:
            served = [_process(turn) for turn in turns]
        except psycopg2.OperationalError:
            raise SkipcastError(
                "DATABASE_URL must lead to a server, or to a pooler with room for several "
                f"connections, but {describe_server(url)} has none for a second one. Name the "
                "server itself, or raise default_pool_size in PgBouncer."
            ) from None
    ours, others = {served[i] for i in (0, 3, 4)}, {served[i] for i in (1, 2, 5)}
    return len(ours) > 1 or len(others) > 1 or ours == others


@contextmanager
def _hanging_up(connection: Connection) -> Iterator[None]:
    """End a connection on which a pooler leaves us waiting; libpq would wait for ever."""

    def hang_up() -> None:
        with socket.socket(fileno=os.dup(connection.fileno())) as line:
            line.shutdown(socket.SHUT_RDWR)

    timer = threading.Timer(DEFAULTS["connect_timeout"], hang_up)
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def _process(connection: Connection) -> int:
    """Return the number of the process that serves a connection now, outside a transaction."""
    connection.autocommit = True
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        (number,) = cursor.fetchone() or (0,)
    connection.autocommit = False
    return int(number)


def _no_answer(url: str, reason: str) -> str:
    # Under Python 3.11.2 psycopg2 loses what is not UTF-8; under later ones it raises an error.
    reason = hide_credentials(reason.strip()) or "it gave a reason that is not UTF-8"
    if describe_server(url) == "embedded":
        return (
            f"The embedded Postgres must answer but got: {reason}\nType the command again, which "
            f"starts it anew. If it does not answer then: {cluster.rebuild(EMBEDDED)}"
        )
    return (
        f"DATABASE_URL must name a server that answers but {describe_server(url)} does not: "
        f"{reason}\nCorrect it, start the server, or unset DATABASE_URL to use the embedded one."
    )


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
    """Raise a database error as one that a user can read.

    Libraries that use the database raise their own errors, whose cause is the database's. Their
    texts hold statements and addresses; the database's own holds no password.

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
            f"{hide_credentials(str(cause).strip())}\nNothing that was under way was "
            "written. Mend it, then `dvc repro`: what is finished is kept."
        ) from error


def announced(url: str) -> AbstractContextManager[None]:
    """Return what says, while it is entered, who keeps this process waiting."""
    return announced_waits(lambda: _open(url), describe_server(url))


@contextmanager
def server() -> Iterator[str]:
    """Yield the URL of the server of `DATABASE_URL`, or of the embedded one, which runs meanwhile.

    Raises:
        SkipcastError: `DATABASE_URL` cannot be read, or the embedded server cannot run.
    """
    address = os.environ.get("DATABASE_URL", "").strip()
    if address:
        yield read_address(address)
        return
    with embedded.running(EMBEDDED) as url:
        yield url


def place() -> str:
    """Return `describe_server` of the server that `connect` uses.

    Raises:
        SkipcastError: `DATABASE_URL` cannot be read.
    """
    return describe_server(os.environ.get("DATABASE_URL", "").strip())
