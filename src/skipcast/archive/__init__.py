"""Official files to whole sessions: the stage `fetch`.

- sample: whole sessions, chosen by a seeded hash of their id; threshold: the highest of these
- exploding: files cut into pieces on disk (cutting, pieces); joining: pieces joined into parts
- work: the folder of what is not finished; tracks: the tracks that are played
- source: the files that a user names, each once
- csv_files: CSV files as streams, plain, packed or in archives; kinds: what a file is
- validation: values, whole sessions, every track known
"""
