"""The twin: synthetic sessions in the official layout with the published statistics.

- write: the files; sessions: rows of the log; listeners, catalogue, draws: what they come from
- statistics: what is published, and its measurement; check: both side by side
- limits: how well a twin can be predicted at all
- export and export_*: synthetic exports of listeners' own histories
"""
