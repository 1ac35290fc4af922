"""What the served model did each day, as MLflow runs: one a day, in an experiment of its own."""

import time
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from itertools import groupby

import mlflow
from mlflow import MlflowClient
from mlflow.entities import Metric, Run

from skipcast.clients.monitor import Period
from skipcast.mlflow_store.client import make_experiment, store_errors

DAY = "skipcast.day"  # the tag that says which day a run is about
LOGGED_AT_ONCE = 500  # metrics, as MLflow allows


def live_of(model: str) -> str:
    """Return the name of the experiment that has a run for each day of a served model.

    >>> live_of("skipcast")
    'skipcast-live'
    """
    return f"{model}-live"


def log_days(client: MlflowClient, model: str, periods: Iterable[Period]) -> int:
    """Log the figures of each day to its run, which is made once; return the number of days.

    The metrics of a run are those of the version with most answers of the day; each version's own
    have its name before them. A run stays as it is where its figures are of more answers, as the
    log has lost the oldest since.

    Args:
        client: of the MLflow store.
        model: its name in the registry.
        periods: of days, in order of time.

    Raises:
        SkipcastError: the store does not answer, or the experiment was deleted.
    """
    experiment = make_experiment(client, live_of(model))
    count = 0
    with store_errors(f"log what {model} answered"):
        runs = {run.data.tags[DAY]: run for run in _runs(experiment)}
        for day, of_day in groupby(periods, key=lambda period: period.day):
            _log_day(client, experiment, day, [*of_day], runs.get(day))
            count += 1
    return count


def _runs(experiment: str) -> list[Run]:
    runs: list[Run] = mlflow.search_runs(
        [experiment], filter_string=f"tags.`{DAY}` != ''", output_format="list"
    )
    return runs


def _log_day(
    client: MlflowClient, experiment: str, day: str, periods: list[Period], run: Run | None
) -> None:
    figures = _figures(periods)
    if run is None:
        start = int(datetime.fromisoformat(day).replace(tzinfo=UTC).timestamp() * 1000)
        run = client.create_run(experiment, start_time=start, run_name=day, tags={DAY: day})
        client.set_terminated(run.info.run_id, "FINISHED")
    logged: Mapping[str, float] = run.data.metrics
    changed = {name: value for name, value in figures.items() if logged.get(name) != value}
    if not changed or logged.get("all_answers", 0) > figures["all_answers"]:
        return
    now = int(time.time() * 1000)
    metrics = [Metric(name, value, now, 0) for name, value in changed.items()]
    for i in range(0, len(metrics), LOGGED_AT_ONCE):
        client.log_batch(run.info.run_id, metrics=metrics[i : i + LOGGED_AT_ONCE])
    main = _main(periods)
    client.set_tag(run.info.run_id, "version", main.version)


def _main(periods: list[Period]) -> Period:
    return max(periods, key=lambda period: period.answers)


def _figures(periods: list[Period]) -> dict[str, float]:
    """Return the metrics of a day, those without a number left out."""
    figures = {**_main(periods).figures(), "all_answers": sum(p.answers for p in periods)}
    for period in periods:
        own = period.figures().items()
        figures |= {f"version_{period.version}/{name}": value for name, value in own}
    return {name: value for name, value in figures.items() if value == value}
