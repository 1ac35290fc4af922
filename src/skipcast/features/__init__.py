"""Features, once for training and serving.

- columns: plays as numbers; views: what a feature may see of the present play and of the past
- feature: what a feature is; groups: all features, a file per group
- build: `build_features`; dictionary: the data dictionary in docs/features.md
"""
