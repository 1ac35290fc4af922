"""Named locks in Postgres, between processes and machines that use the same server.

A lock belongs to a connection and ends with it. So when a process or a machine dies, its locks are
gone, and another process knows at once, without a clock, that the owner of a free lock is dead.
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import psycopg2

from skipcast.database.address import describe_server
from skipcast.database.server import announced, open_connection
from skipcast.errors import SkipcastError

HOLDERS = """
    SELECT name FROM unnest(%s::text[]) AS name, hashtextextended(name, 0) AS key
    WHERE EXISTS (
        SELECT FROM pg_locks
        WHERE locktype = 'advisory' AND objsubid = 1 AND granted
        AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
        AND classid::bigint = (key >> 32) & 4294967295 AND objid::bigint = key & 4294967295
    )
"""
# The server frees the locks of a machine that lost its power within a minute, and never those of
# one that computes for hours. Servers before PostgreSQL 14 have no idle_session_timeout.
SETTINGS = """
    SELECT set_config(name, wanted, false)
    FROM (VALUES ('tcp_keepalives_idle', '15'), ('tcp_keepalives_interval', '15'),
        ('idle_session_timeout', '0')) AS ours (name, wanted)
    JOIN pg_settings USING (name)
"""


@contextmanager
def open_locks(url: str) -> Iterator["Locks"]:
    """Yield the locks of a connection of their own; say who keeps this process waiting.

    Raises:
        SkipcastError: the server does not answer or refuses.
    """
    locks = Locks(url)
    try:
        with announced(url):
            yield locks
    finally:
        locks.close()


class Locks:
    """The locks of one connection, which is opened again where it was cut."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._shared: list[str] = []
        self._exclusive = 0
        self._open()

    def _open(self) -> None:
        self._connection = open_connection(self._url)
        self._connection.autocommit = True  # lest one transaction be open for ever
        self._execute(SETTINGS)
        for name in self._shared:
            self._execute("SELECT pg_advisory_lock_shared(hashtextextended(%s, 0))", name)

    def close(self) -> None:
        """Release all locks."""
        self._connection.close()

    @contextmanager
    def exclusive(self, name: str) -> Iterator[None]:
        """Wait until nobody holds `name`, then hold it alone inside the `with` block.

        Raises:
            SkipcastError: the connection was cut meanwhile, so that another may have held it, too.
        """
        unlock = "SELECT pg_advisory_unlock(hashtextextended(%s, 0))"
        self._run("SELECT pg_advisory_lock(hashtextextended(%s, 0))", name)
        self._exclusive += 1
        try:
            yield
        except BaseException:
            with suppress(psycopg2.Error):  # what failed first is what to tell
                self._execute(unlock, name)
            raise
        else:
            self._run(unlock, name)
        finally:
            self._exclusive -= 1

    def hold(self, name: str) -> None:
        """Hold `name`, as others may at the same time, until `release` or the connection's end."""
        self._run("SELECT pg_advisory_lock_shared(hashtextextended(%s, 0))", name)
        self._shared.append(name)

    def release(self, name: str) -> None:
        """Stop holding `name`."""
        self._run("SELECT pg_advisory_unlock_shared(hashtextextended(%s, 0))", name)
        self._shared.remove(name)

    def held(self, names: Iterable[str]) -> set[str]:
        """Return those of `names` that any connection holds, this one included."""
        return {name for (name,) in self._run(HOLDERS, list(names))}

    def _run(self, statement: str, *values: object) -> list[Any]:
        """Run a statement, by a new connection where the old one was cut.

        The new one holds the same names, but in between others may have found them free: whoever
        ends what a name stands for, checks that it is still there.
        """
        try:
            return self._execute(statement, *values)
        except psycopg2.Error:
            if not self._connection.closed:
                raise
            if self._exclusive:
                raise SkipcastError(
                    f"The connection to {describe_server(self._url)} must last as long as its "
                    "locks but was cut. What was done until then is kept: `dvc repro` goes on."
                ) from None
        self._open()
        return self._execute(statement, *values)

    def _execute(self, statement: str, *values: object) -> list[Any]:
        with self._connection.cursor() as cursor:
            cursor.execute(statement, values)
            return cursor.fetchall()
