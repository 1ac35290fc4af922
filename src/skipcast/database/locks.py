"""Named locks in Postgres, between processes and machines that use the same server.

They belong to a connection: when its process or its machine is gone, so are they. A lock that
nobody holds therefore tells that whoever should hold it is dead, at once and without a clock.
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from skipcast.database.server import Connection

HELD = """
    SELECT name FROM unnest(%s::text[]) AS name, hashtextextended(name, 0) AS key
    WHERE EXISTS (
        SELECT FROM pg_locks
        WHERE locktype = 'advisory' AND objsubid = 1 AND granted
        AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
        AND classid::bigint = (key >> 32) & 4294967295 AND objid::bigint = key & 4294967295
    )
"""


class Locks:
    """The locks of one connection, which is best in autocommit mode: they outlast transactions."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        for setting in ("idle", "interval"):  # a machine without power lets go within a minute
            self._run(f"SET tcp_keepalives_{setting} = 15", ())

    @contextmanager
    def exclusive(self, name: str) -> Iterator[None]:
        """Wait until nobody holds `name`; hold it meanwhile."""
        self._run("SELECT pg_advisory_lock(hashtextextended(%s, 0))", (name,))
        try:
            yield
        finally:
            self._run("SELECT pg_advisory_unlock(hashtextextended(%s, 0))", (name,))

    def hold(self, name: str) -> None:
        """Hold `name`, beside others that may hold it too, until `release` or the end."""
        self._run("SELECT pg_advisory_lock_shared(hashtextextended(%s, 0))", (name,))

    def release(self, name: str) -> None:
        """Stop holding `name`."""
        self._run("SELECT pg_advisory_unlock_shared(hashtextextended(%s, 0))", (name,))

    def held(self, names: Iterable[str]) -> set[str]:
        """Return those of `names` that anybody holds."""
        with self._connection.cursor() as cursor:
            cursor.execute(HELD, (list(names),))
            return {name for (name,) in cursor.fetchall()}

    def _run(self, statement: str, values: tuple[str, ...]) -> None:
        with self._connection.cursor() as cursor:
            cursor.execute(statement, values)
