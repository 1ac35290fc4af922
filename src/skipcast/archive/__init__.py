"""Official files to whole sessions: the stage `fetch`.

- sample: whole sessions, chosen by a seeded hash of their id
- csv_files: CSV files as streams, plain, packed or in archives
- validation: values, whole sessions, every track known
"""
