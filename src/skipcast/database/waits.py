"""Waits for other users of the database: after some seconds, who keeps this process waiting."""

import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress

import psycopg2
from psycopg2.extensions import connection as Connection  # noqa: N812 (a class)

WAIT_SECONDS = 7  # and two more that a wait must have lasted: until the first word
# Connections of one process share its name. A transaction that was prepared has no process, but 0.
HOLDERS = """
    SELECT DISTINCT holder.pid, coalesce(session.application_name, ''),
        coalesce(host(session.client_addr), ''), coalesce(session.state, '')
    FROM pg_stat_activity AS waiting
    CROSS JOIN unnest(pg_blocking_pids(waiting.pid)) AS holder (pid)
    LEFT JOIN pg_stat_activity AS session ON session.pid = holder.pid
    WHERE waiting.application_name = current_setting('application_name')
    AND waiting.wait_event_type = 'Lock' AND waiting.query_start < now() - interval '2 s'
"""
Holder = tuple[int, str, str, str]


@contextmanager
def announced_waits(connect: Callable[[], Connection], place: str) -> Iterator[None]:
    """Say on standard error who holds what this process waits for, if it waits for long.

    Args:
        connect: opens a connection by which to ask, when it is time to.
        place: of the database, for the message.
    """
    ended = threading.Event()
    thread = threading.Thread(target=_watch, args=(connect, place, ended), daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def _watch(connect: Callable[[], Connection], place: str, ended: threading.Event) -> None:
    said: set[int] = set()
    while not ended.wait(WAIT_SECONDS):
        # What ails the database is told by the connection that has work to do.
        with suppress(psycopg2.Error, UnicodeDecodeError), closing(connect()) as connection:
            connection.autocommit = True
            while True:
                for holder in set(_holders(connection)):
                    if holder[0] not in said:
                        sys.stderr.write(_describe(holder, place) + "\n")
                        said.add(holder[0])
                if ended.wait(WAIT_SECONDS):
                    return


def _holders(connection: Connection) -> list[Holder]:
    with connection.cursor() as cursor:
        cursor.execute(HOLDERS)
        return cursor.fetchall()


def _describe(holder: Holder, place: str) -> str:
    """Return one line about who holds a lock.

    >>> print(_describe((17, "psql", "10.0.0.5", "idle in transaction"), "db:5432/music"))
    Waiting: in db:5432/music, psql from 10.0.0.5 (idle in transaction) holds a lock. It goes on \
when that ends; `SELECT pg_terminate_backend(17)` there ends it.
    """
    number, name, host, state = holder
    if not number:
        return (
            f"Waiting: in {place}, a prepared transaction holds a lock. It goes on when that ends; "
            "`SELECT gid FROM pg_prepared_xacts` there names it, `ROLLBACK PREPARED` ends it."
        )
    who = name or "a program without a name"
    who += f" from {host}" if host else ""
    who += f" ({state})" if state else ""
    return (
        f"Waiting: in {place}, {who} holds a lock. It goes on when that ends; "
        f"`SELECT pg_terminate_backend({number})` there ends it."
    )
