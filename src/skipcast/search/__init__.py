"""The stages `search`, an Optuna study per family, and `refit`; both are logged to MLflow.

- spec: params, inputs and the fingerprint of a search; plays: those that it learns from
- trials: what a process of it does; fits: what is logged of a fitted model
- studies, claims: Optuna's studies in Postgres, and who works on which trial
- mlflow_runs: runs in MLflow; winners: the best of each family becomes a model
- refit: the best of each family is fitted on all plays; servers: what both stages need
"""
