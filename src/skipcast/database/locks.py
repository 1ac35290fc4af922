"""Named locks in Postgres, between processes and machines that use the same server.

A lock belongs to a connection and ends with it. So when a process or a machine dies, its locks are
gone, and another process knows at once, without a clock, that the owner of a free lock is dead.
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from skipcast.database.server import Connection

HOLDERS = """
    SELECT name FROM unnest(%s::text[]) AS name, hashtextextended(name, 0) AS key
    WHERE EXISTS (
        SELECT FROM pg_locks
        WHERE locktype = 'advisory' AND objsubid = 1 AND granted
        AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
        AND classid::bigint = (key >> 32) & 4294967295 AND objid::bigint = key & 4294967295
    )
"""


class Locks:
    """The locks of one connection; they outlast its transactions.

    The connection should be in autocommit mode, lest it keep one transaction open for ever.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        # The server then frees the locks of a machine that lost its power within a minute.
        for setting in ("idle", "interval"):
            self._run(f"SET tcp_keepalives_{setting} = 15", ())

    @contextmanager
    def exclusive(self, name: str) -> Iterator[None]:
        """Wait until nobody holds `name`, then hold it alone inside the `with` block."""
        self._run("SELECT pg_advisory_lock(hashtextextended(%s, 0))", (name,))
        try:
            yield
        finally:
            self._run("SELECT pg_advisory_unlock(hashtextextended(%s, 0))", (name,))

    def hold(self, name: str) -> None:
        """Hold `name`, as others may at the same time, until `release` or the connection's end."""
        self._run("SELECT pg_advisory_lock_shared(hashtextextended(%s, 0))", (name,))

    def release(self, name: str) -> None:
        """Stop holding `name`."""
        self._run("SELECT pg_advisory_unlock_shared(hashtextextended(%s, 0))", (name,))

    def held(self, names: Iterable[str]) -> set[str]:
        """Return those of `names` that any connection holds, this one included."""
        with self._connection.cursor() as cursor:
            cursor.execute(HOLDERS, (list(names),))
            return {name for (name,) in cursor.fetchall()}

    def _run(self, statement: str, values: tuple[str, ...]) -> None:
        with self._connection.cursor() as cursor:
            cursor.execute(statement, values)
