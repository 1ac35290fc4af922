"""Postgres: the stage `load`.

- server: the server of `DATABASE_URL` or an embedded one; connections; errors that users can read
- tables: the three tables, their fingerprint, and plays read back in session order
- locks: named locks between processes and machines
"""
