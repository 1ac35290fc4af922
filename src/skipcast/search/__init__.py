"""The stage `search`: an Optuna study per family, logged to MLflow.

- spec: params, inputs and the fingerprint of a search; trials: what a process of it does
- studies, claims: Optuna's studies in Postgres, and who works on which trial
- mlflow_runs: runs in MLflow; winners: the best of each family becomes a model
"""
