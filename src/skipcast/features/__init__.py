"""Features, once for training and serving.

- columns: plays as numbers; session_rows: which rows belong to a session, and which have ended
- views: what a feature may see of the present play and of the past; memo: values computed once
- feature: what a feature is; groups: all features, a file per group
- feature_set: the features of some groups under a horizon; build: all groups by name
- counts: how often tracks were played and skipped in training sessions
- table: plays joined with their tracks, and the table that models learn from
- dictionary: the data dictionary in docs/features.md
"""
