"""Postgres: the stage `load`.

- server: the server of `DATABASE_URL` or the embedded one; connections; errors that users can read
- address: `DATABASE_URL` in any client's spelling, and the place that messages name
- embedded, keeper, cluster: the embedded server: who uses it, what starts and ends it, its data
- tables: the three tables, their fingerprint, and plays read back in session order
- locks, waits: named locks between processes and machines; who holds what this process waits for
"""
