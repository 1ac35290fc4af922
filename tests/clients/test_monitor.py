"""What the log of a served model says, on made-up answers."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd
import pytest
from mlflow import MlflowClient
from test_params import DEFAULTS

from skipcast.clients.monitor import Version, by_day, judge, latest
from skipcast.clients.monitor_figure import draw
from skipcast.clients.monitor_runs import live_of, log_days
from skipcast.evaluation.bootstrap import Interval
from skipcast.models.family import Dataset
from skipcast.params import read_params
from skipcast.serving.histogram import BINS, reference
from skipcast.serving.log_reader import Log

NOW = datetime(2026, 11, 26, 12, tzinfo=UTC)
PARAMS = read_params(DEFAULTS)
TESTED = {"accuracy": Interval(0.75, 0.74, 0.76), "log_loss": Interval(0.5, 0.49, 0.51)}
PLAYS = 10  # of a session


def answers(sessions=200, *, share=0.75, version="1", days_ago=0, seed=0, letter=None):
    """Return the answers of a calibrated model that is right about so many plays."""
    rng = np.random.default_rng(seed)
    count = sessions * PLAYS
    is_high = rng.random(count) < 0.5
    bins = rng.integers(0, BINS, count)
    return pd.DataFrame(
        {
            "at": pd.Timestamp(NOW - timedelta(days=days_ago)).floor("us"),
            "version": version,
            "session": np.repeat([f"{version}-{days_ago}-{i}" for i in range(sessions)], PLAYS),
            "position": np.tile(np.arange(1, PLAYS + 1), sessions),
            "probability": np.where(is_high, 0.75, 0.25),
            "known": True,
            "bins": [letter or chr(ord("a") + b) for b in bins],
            "skipped": (is_high == (rng.random(count) < share)).astype(float),
        }
    )


def trained():
    """Return histograms of training plays like those of `answers`."""
    values = np.random.default_rng(1).random((20_000, 1)).astype(np.float32)
    positions = np.tile(np.arange(1, PLAYS + 1), 2000)
    train = Dataset.of(values, values[:, 0] > 0.5, positions, positions)
    return reference(train, np.full(len(values), 0.5))


def log_of(*tables) -> Log:
    table = pd.concat(tables, ignore_index=True).sort_values("at", kind="stable")
    return Log(table, {name: ["tempo"] for name in table["version"].unique()}, 0, 0)


def verdict(log, version=None, *, sessions=100):
    params = PARAMS.model_copy(
        update={"monitor": PARAMS.monitor.model_copy(update={"sessions": sessions})}
    )
    version = version or Version(TESTED, trained())
    period = latest(log, dict.fromkeys(log.features, version), params, now=NOW)
    assert period is not None
    return judge(period, version, params)


def test_a_model_that_does_as_promised_has_no_fault():
    told = verdict(log_of(answers()))
    assert (told.faults, told.untold) == ([], [])


def test_accuracy_that_chance_explains_is_no_fault():
    told = verdict(log_of(answers(40, share=0.72)), sessions=30)
    assert not [fault for fault in told.faults if "accuracy" in fault]


def test_live_accuracy_below_the_test_interval_is_a_fault():
    told = verdict(log_of(answers(share=0.65)))
    assert told.faults[0].startswith(
        "live accuracy must reach that of the test sessions, 0.7500 (0.7400..0.7600), but is 0.6"
    )


def test_calibration_over_its_limit_is_a_fault():
    told = verdict(log_of(answers(share=0.5)), Version(None, trained()))
    assert told.faults[0].startswith(
        "the calibration error must be at most 0.05 (promote.max_ece) but is 0.2"
    )


def test_features_and_tracks_that_drift_are_faults_and_name_the_section():
    told = verdict(log_of(answers(letter="a").assign(known=False)))
    assert [fault.partition(" but is ")[0] for fault in told.faults] == [
        "share of unknown tracks must be at most 0.05 (monitor.unknown_tracks)",
        "population stability index of tempo must be at most 0.25 (monitor.stability)",
    ]


def test_too_few_outcomes_and_answers_are_told_and_not_judged():
    told = verdict(log_of(answers(40, share=0.2, letter="a")))
    assert told.faults == []
    assert "too few outcomes to tell accuracy and calibration: 40 sessions" in told.untold[0]
    assert "too few answers to tell drift: of 40 sessions, of 100" in told.untold[1]


def test_answers_without_outcomes_tell_drift_alone():
    told = verdict(log_of(answers(letter="a").assign(skipped=np.nan)))
    assert len(told.faults) == 1
    assert "0 sessions have any, of 100 that monitor.sessions asks for" in told.untold[0]


def test_what_is_not_known_of_a_version_is_told():
    told = verdict(log_of(answers()), Version(None, None))
    assert ["the ledger has no test scores" in told.untold[0], len(told.untold)] == [True, 2]


def test_the_version_that_answered_last_is_judged_by_the_last_days():
    tables = answers(share=0.2, days_ago=20), answers(share=0.2, days_ago=2)
    log = log_of(*tables, answers(version="2"))
    assert verdict(log).faults == []
    of = dict.fromkeys(log.features, Version(TESTED, None))
    assert latest(log, of, PARAMS, now=NOW + timedelta(days=30)) is None
    days = [(period.day, period.version) for period in by_day(log, of, PARAMS)]
    assert days == [("2026-11-06", "1"), ("2026-11-24", "1"), ("2026-11-26", "2")]


def test_scores_do_not_depend_on_the_order_of_answers():
    table = answers(50)
    shuffled = table.sample(frac=1, random_state=0)
    of = {"1": Version(None, None)}
    one, other = (by_day(log_of(t), of, PARAMS)[0].scores for t in (table, shuffled))
    assert one == other
    right = (table["probability"] > 0.5) == (table["skipped"] == 1)
    assert one["accuracy"].value == right.mean()


def test_the_figure_has_a_panel_for_each_score():
    log = log_of(answers(), answers(version="2", days_ago=1))
    of = dict.fromkeys(log.features, Version(TESTED, trained()))
    figure = draw(by_day(log, of, PARAMS), of, PARAMS)
    assert [axes.get_ylabel() for axes in figure.axes] == [
        *("accuracy", "log loss, nats", "expected calibration error", "largest stability index")
    ]


def test_the_figure_shows_a_score_that_its_interval_misses_by_the_last_bit():
    """As when a model gives all plays one probability."""
    of = {"1": Version(None, None)}
    day = by_day(log_of(answers(30)), of, PARAMS)[0]
    beside = Interval(0.1 + 0.2, 0.1 + 0.2 + 1e-16, 0.1 + 0.2)
    draw([replace(day, scores=dict.fromkeys(day.scores, beside))], of, PARAMS)


@pytest.fixture
def client(tracking):
    return MlflowClient()


def test_a_day_has_one_run_that_follows_the_log_and_outlives_it(client):
    of = dict.fromkeys("12", Version(TESTED, trained()))
    more, less = log_of(answers(60), answers(30, version="2")), log_of(answers(20))
    for log, expected in ((less, 200), (more, 600), (more, 600), (less, 600)):
        log_days(client, "a_run_a_day", by_day(log, of, PARAMS))
        experiment = client.get_experiment_by_name(live_of("a_run_a_day"))
        (run,) = client.search_runs([experiment.experiment_id])
        assert run.info.run_name == "2026-11-26"
        assert run.data.metrics["answers"] == expected
    assert run.data.metrics["all_answers"] == 900
    assert run.data.metrics["version_2/outcomes"] == 300
    assert len(client.get_metric_history(run.info.run_id, "answers")) == 2
