"""Postgres: the stage `load`, and what reads its plays.

- server: the server of `DATABASE_URL` or the embedded one; connections; errors that users can read
- address: `DATABASE_URL` in any client's spelling, and the place that messages name
- embedded, keeper, cluster: the embedded server: who uses it, what starts and ends it, its data
- tables: the three tables and their fingerprint; loading: filled from parts, all or nothing
- plays: those of a part, read back in session order, from the tables or the files
- locks, waits: named locks between processes and machines; who holds what this process waits for
"""
