"""Trials per minute of the search beside the obvious loop, and the search's time for logging.

Usage: `python benchmarks/search.py [FAMILY ...] [--rounds N] [--quick] [--plays N]`. Three rounds
of all families take about 10 minutes on two idle cores.

Both sides do the same trials on the same data: the default trials of each family on a twin of the
default size. Ours is the search as `skipcast search` runs it, with one worker, studies in Postgres
and runs in MLflow. The obvious loop is what one would write at first: for each trial it reads and
splits the features, fits the scikit-learn wrapper with early stopping, scores, and logs each metric
when it is known. Both use all cores.

For each family, the search runs once before the rounds. This warms it up and gives the parameters
of its trials, which the loop repeats. Then each round runs all trials of the family by both sides,
ours in new studies and a new experiment. The search always finds the same trials, because its seed
and its data are the same; this is checked. So the work of all rounds is the same.

The search prunes some trials before they are complete and the loop completes them all. A pruned
trial counts as one trial, as it does for a user who waits for the search: its saving is in the
ratio. The time of the search is from its start until its trials are done, with reading the data and
opening the studies. What comes then, the models and figures of the best, has no counterpart in the
loop; its time is printed apart.

Prints, for each family and for all together, the trials per minute of both sides and how many times
as many ours does: the median of the rounds with the lowest and the highest.

`--plays 1000000` only runs our search, once, on a twin of so many plays, and prints its minutes and
the most memory that it had. There is no loop to compare it with then.
"""

import argparse
import logging
import multiprocessing
import os
import resource
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial, wraps
from pathlib import Path
from typing import Any

import lightgbm
import mlflow
import xgboost
from arguments import make_parser, parse_family
from mlflow import MlflowClient
from mlflow.entities import Run
from rounds import SECONDS, Figures, Rounds, run_in_turn, total
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score, log_loss, roc_auc_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from twin_inputs import QUICK_SESSIONS, make_job, make_twin, write_features

from skipcast.database.embedded import running
from skipcast.features.table import SKIPPED, feature_columns
from skipcast.models.boosting import MAX_ROUNDS, PATIENCE
from skipcast.models.families import Family
from skipcast.params import USUAL_ROWS, Params, read_params
from skipcast.parts import Parts
from skipcast.search.spec import Job
from skipcast.search.trials import search
from skipcast.split import split_sessions

LOGGING = (
    "create_run",
    "log_inputs",
    "log_batch",
    "log_artifacts",
    "set_terminated",
    "search_runs",
)
PLAYS_A_SESSION = 16.75  # of a twin
OURS, LOOP = "ours", "the obvious loop"


class Stopwatch:
    """Adds up the seconds of the calls that it is wrapped around."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def around(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """Return the function, timed."""

        @wraps(function)
        def timed(*args: Any, **kwargs: Any) -> Any:
            started = time.perf_counter()
            try:
                return function(*args, **kwargs)
            finally:
                self.seconds += time.perf_counter() - started

        return timed


@dataclass
class Ours:
    """The search of one family: each run starts it anew and measures it."""

    family: Family
    folder: Path  # with the features
    params: Params
    url: str  # of Postgres
    logging: Stopwatch
    runs: int = 0
    trials: tuple[Run, ...] = ()  # of the first run

    def __call__(self) -> Figures:
        """Search; return the seconds until all trials were done, those of logging and the rest."""
        experiment = f"{self.family}-{self.runs}"
        self.runs += 1
        at_end = [0.0, 0.0]

        @contextmanager
        def until_trials_end(_: object) -> Iterator[None]:
            yield
            at_end[:] = time.perf_counter(), self.logging.seconds

        logged, started = self.logging.seconds, time.perf_counter()
        search(self._job(experiment), self.url, until_trials_end)
        rest = time.perf_counter() - at_end[0]
        self._keep(tuple(trials_of(experiment, self.family)))
        return {SECONDS: at_end[0] - started, "logging": at_end[1] - logged, "rest": rest}

    def _job(self, experiment: str) -> Job:
        families = {self.family: self.params.search.families[self.family]}
        changes = {"families": families, "experiment": experiment, "workers": 1}
        changed = self.params.search.model_copy(update=changes)
        params = self.params.model_copy(update={"search": changed})
        return make_job(self.folder, params, experiment)

    def _keep(self, trials: tuple[Run, ...]) -> None:
        self.trials = self.trials or trials
        if [content(run) for run in trials] != [content(run) for run in self.trials]:
            sys.exit(f"All runs of the search must do the same trials but {self.family} did not.")


def content(trial: Run) -> tuple[dict[str, str], str]:
    """Return a trial's parameters, and whether it was pruned."""
    return trial.data.params, trial.data.tags["state"]


def trials_of(experiment: str, family: Family) -> list[Run]:
    """Return the trials of a family in an experiment, in their order."""
    runs: Any = mlflow.search_runs(
        experiment_names=[experiment],
        filter_string=f"tags.family = '{family}'",
        order_by=["attributes.start_time ASC"],
        output_format="list",
    )
    return list(runs)


def obvious(ours: Ours) -> Figures:
    """Do the trials of the search in the obvious loop; return their seconds."""
    started = time.perf_counter()
    mlflow.set_experiment(f"obvious {ours.family}")
    with mlflow.start_run():
        for trial in ours.trials:
            params = {
                name: int(value) if value.isdecimal() else float(value)
                for name, value in trial.data.params.items()
            }
            obvious_trial(ours.family, params, ours)
    return {SECONDS: time.perf_counter() - started}


def obvious_trial(family: Family, params: dict[str, float], ours: Ours) -> None:
    """Do a trial as one would write it at first."""
    with mlflow.start_run(nested=True):
        mlflow.log_params(params)
        features = Parts.read(ours.folder / "features", made_by="features").whole()
        parts = split_sessions(features, ours.params.split)
        train, valid = features[parts == "train"], features[parts == "validation"]
        columns = feature_columns(features)
        x, y = train[columns], train[SKIPPED]
        x_valid, y_valid = valid[columns], valid[SKIPPED]
        started = time.perf_counter()
        model = OBVIOUS[family](params, x, y, x_valid, y_valid)
        mlflow.log_metric("fit_seconds", time.perf_counter() - started)
        probability = model.predict_proba(x_valid)[:, 1]
        mlflow.log_metric("accuracy", accuracy_score(y_valid, probability >= 0.5))
        mlflow.log_metric("log_loss", log_loss(y_valid, probability))
        mlflow.log_metric("auc", roc_auc_score(y_valid, probability))
        mlflow.log_metric("train_accuracy", model.score(x, y))


def obvious_logistic(params: dict[str, Any], x: Any, y: Any, *_: Any) -> Any:
    """Fit logistic regression by scikit-learn."""
    impute = SimpleImputer(add_indicator=True)
    logistic = LogisticRegression(max_iter=1000, **params)
    return make_pipeline(impute, StandardScaler(), logistic).fit(x, y)


def obvious_lightgbm(params: dict[str, Any], x: Any, y: Any, x_valid: Any, y_valid: Any) -> Any:
    """Fit LightGBM's wrapper with early stopping."""
    model = lightgbm.LGBMClassifier(n_estimators=MAX_ROUNDS, verbose=-1, **params)
    stop = [lightgbm.early_stopping(PATIENCE, verbose=False), log_round_lightgbm]
    return model.fit(x, y, eval_X=x_valid, eval_y=y_valid, callbacks=stop)


def obvious_xgboost(params: dict[str, Any], x: Any, y: Any, x_valid: Any, y_valid: Any) -> Any:
    """Fit XGBoost's wrapper with early stopping."""
    model = xgboost.XGBClassifier(
        n_estimators=MAX_ROUNDS, early_stopping_rounds=PATIENCE, callbacks=[LogRound()], **params
    )
    return model.fit(x, y, eval_set=[(x_valid, y_valid)], verbose=False)


OBVIOUS: dict[Family, Callable[..., Any]] = {
    "logistic": obvious_logistic,
    "lightgbm": obvious_lightgbm,
    "xgboost": obvious_xgboost,
}


def log_round_lightgbm(env: Any) -> None:
    """Log the loss of a round when it is known."""
    mlflow.log_metric("round_log_loss", env.evaluation_result_list[0][2], step=env.iteration)


class LogRound(xgboost.callback.TrainingCallback):
    """Logs the loss of a round when it is known."""

    def after_iteration(self, _model: Any, epoch: int, evals_log: Any) -> bool:
        """Log the last loss."""
        mlflow.log_metric("round_log_loss", evals_log["validation_0"]["logloss"][-1], step=epoch)
        return False


def compare(ours: Ours, rounds: int) -> Rounds:
    """Run both sides of a family in turn and print."""
    ours()
    measured = run_in_turn({OURS: ours, LOOP: partial(obvious, ours)}, rounds=rounds)
    pruned = sum(trial.data.tags["state"] == "pruned" for trial in ours.trials)
    show(f"{ours.family}: {len(ours.trials)} trials, {pruned} pruned", len(ours.trials), measured)
    return measured


def show(title: str, trials: int, measured: Rounds) -> None:
    """Print the trials per minute of both sides, and their ratio."""
    print(title)
    for side in (OURS, LOOP):
        seconds = measured.median(side)
        print(f"  {side}: {seconds:.1f} s, {60 * trials / seconds:.1f} trials per minute")
    ratio = measured.ratio(LOOP, OURS)
    print("  " + ratio.sentence("ours does {} times as many trials per minute"))
    share = measured.median(OURS, "logging") / measured.median(OURS)
    print(f"  logging takes {share:.1%} of the time of ours")
    print(
        f"  models and figures of the best: {measured.median(OURS, 'rest'):.1f} s more", flush=True
    )


def search_once(folder: Path, params: Params, url: str) -> None:
    """Search all families in a process of its own; print its minutes and its peak memory."""
    plays = Parts.read(folder / "features", made_by="features").rows
    started = time.perf_counter()
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        peak = pool.submit(_search, folder, params, url, mlflow.get_tracking_uri()).result()
    trials = [run for family in params.search.families for run in trials_of("once", family)]
    pruned = sum(run.data.tags["state"] == "pruned" for run in trials)
    minutes = (time.perf_counter() - started) / 60
    print(f"{plays} plays: {len(trials)} trials, {pruned} pruned, in {minutes:.1f} minutes")
    print(f"peak memory: {peak / 1e9:.1f} GB")


def _search(folder: Path, params: Params, url: str, uri: str) -> float:
    """Search; return the most memory that this process had, bytes."""
    mlflow.set_tracking_uri(uri)
    changes = params.search.model_copy(update={"experiment": "once", "workers": 1})
    params = params.model_copy(update={"search": changes})
    search(make_job(folder, params, "once"), url)
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024.0


def parse_arguments() -> argparse.Namespace:
    """Return the arguments."""
    parser = make_parser(__doc__)
    parser.add_argument(
        "families", nargs="*", type=parse_family, metavar="FAMILY", help="all, if left out"
    )
    parser.add_argument("--rounds", type=int, default=3, help="of both sides, per family")
    parser.add_argument("--quick", action="store_true", help="one trial of each on few plays")
    parser.add_argument("--plays", type=int, help="only our search, once, on so many plays")
    return parser.parse_args()


def main() -> None:
    """Print the figures."""
    arguments = parse_arguments()
    os.environ["MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR"] = "false"
    logging.getLogger("mlflow").setLevel(logging.WARNING)
    params, stopwatch = read_params(), Stopwatch()
    sessions, rows = params.fetch.twin_sessions, USUAL_ROWS
    trials = {
        family: count
        for family, count in params.search.families.items()
        if family in (arguments.families or params.search.families)
    }
    if arguments.plays:
        sessions, rows = int(arguments.plays / PLAYS_A_SESSION), 10**12
    if arguments.quick:
        sessions, trials = QUICK_SESSIONS, dict.fromkeys(trials, 1)
    params = params.model_copy(
        update={"search": params.search.model_copy(update={"families": trials})}
    )
    for call in LOGGING:
        setattr(MlflowClient, call, stopwatch.around(getattr(MlflowClient, call)))
    with tempfile.TemporaryDirectory() as name, running(Path(name, "postgres")) as url:
        folder = Path(name)
        os.chdir(folder)
        mlflow.set_tracking_uri(f"sqlite:///{folder}/mlflow.db")
        write_features(folder, *make_twin(folder, sessions=sessions, rows=rows, seed=0))
        if arguments.plays:
            search_once(folder, params, url)
            return
        parts = [
            compare(
                Ours(family, folder, params, url, stopwatch),
                1 if arguments.quick else arguments.rounds,
            )
            for family in trials
        ]
        show(f"all families: {sum(trials.values())} trials", sum(trials.values()), total(parts))


if __name__ == "__main__":
    main()
