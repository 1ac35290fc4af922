"""Official files to whole sessions: the stage `fetch`.

- sample: whole sessions, chosen by a seeded hash of their id
- source: the files that a user names, each once
- csv_files: CSV files as streams, plain, packed or in archives; kinds: what a file is
- validation: values, whole sessions, every track known
"""
