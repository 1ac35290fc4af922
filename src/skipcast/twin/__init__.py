"""The twin: synthetic sessions in the official layout with its published statistics.

- write: the files; listeners: sessions; catalogue: tracks
- statistics, check: what is published beside what is found
"""
