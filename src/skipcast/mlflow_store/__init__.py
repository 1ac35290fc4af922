"""The MLflow store: the one that MLFLOW_TRACKING_URI names, or that in the root of the project.

- place: where a store and its artifacts are; a project that was moved or copied keeps its own
- client: opens a store, makes experiments in it, and says in whose words what went wrong
- datasets: the parts of the plays that a run learned from or was scored on
- screen: addresses in MLflow's UI
- trust: whether a model's files are those that were registered; a copy that nobody else writes to
- files: whether the files of a run or a model are all there
"""
