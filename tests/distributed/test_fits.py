"""Models that workers of a cluster fit together, and workers that are killed meanwhile."""

import os
import signal
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import cache
from operator import methodcaller

import numpy as np
import psutil
import pytest
from harness.family_checks import datasets, in_parts
from harness.waiting import wait_until

from skipcast.cli.pool import open_workers
from skipcast.distributed import fits, watch
from skipcast.distributed import lightgbm as lightgbm_module
from skipcast.distributed.shards import Shares
from skipcast.errors import SkipcastError
from skipcast.evaluation.metrics import log_loss
from skipcast.models.families import FAMILIES
from skipcast.params import Cluster

PARTS = 4


def ignore(*_):
    pass


@pytest.fixture(scope="module")
def data(plays):
    """Return plays that train and others that validate, in parts of which some are empty."""
    return [in_parts(part, PARTS) for part in datasets(plays, sessions=300)]


@pytest.fixture(scope="module")
def pool(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path_factory.mktemp("project"))
        with open_workers(Cluster(scheduler="local", workers=2), 1) as pool:
            yield pool


def fit(pool, name, data, on_round=ignore):
    family = FAMILIES[name]
    params = family.defaults({}) | ({"learning_rate": 0.1} if family.boosted else {})
    return fits.fit(pool, name, params, Shares(*data, 2), seed=3, on_round=on_round)


def fit_here(name, data, losses):
    family = FAMILIES[name]
    params = family.defaults({}) | ({"learning_rate": 0.1} if family.boosted else {})
    prepared = family.prepare(train=data[0], validation=data[1])
    return family.fit(
        params, prepared, seed=3, threads=1, on_round=lambda _, loss: losses.append(loss)
    )


@pytest.fixture(scope="module")
def calm(pool, data):
    """Return a function that tells what a model answers whose fit nobody disturbs."""
    return cache(lambda name: answers(name, fit(pool, name, data), data))


def answers(name, model, data):
    return FAMILIES[name].predict_parts(model, data[1])


def test_logistic_is_that_of_one_machine(pool, data):
    here = answers("logistic", fit_here("logistic", data, []), data)
    there = answers("logistic", fit(pool, "logistic", data), data)
    np.testing.assert_allclose(there, here, rtol=0, atol=1e-9)


@pytest.mark.parametrize("name", ["xgboost", "lightgbm"])
def test_boosters_learn_as_on_one_machine_and_the_same_again(pool, data, name, tmp_path):
    here = answers(name, fit_here(name, data, []), data)
    models = [fit(pool, name, data) for _ in range(2)]
    for number, model in enumerate(models):
        FAMILIES[name].save(model, tmp_path / str(number))
    assert (tmp_path / "0").read_bytes() == (tmp_path / "1").read_bytes()
    there = answers(name, FAMILIES[name].load(tmp_path / "0", threads=1), data)
    losses = [log_loss(data[1].skipped, probability) for probability in (here, there)]
    assert losses[1] == pytest.approx(losses[0], abs=0.02)
    assert losses[1] < 0.69


def test_the_loss_that_ends_xgboost_early_is_that_of_all_validation_plays(pool, data):
    losses = []
    model = fit(pool, "xgboost", data, lambda _, loss: losses.append(loss))
    found = log_loss(data[1].skipped, answers("xgboost", model, data))
    assert min(losses) == pytest.approx(found, abs=1e-6)
    assert len(losses) == np.argmin(losses) + 21


def test_the_mean_of_boosters_adds_up_the_mean_of_their_log_odds(data):
    import lightgbm

    models = [fit_here("lightgbm", [half, data[1]], []) for half in (data[0], data[1])]
    texts = [model.model_to_string(num_iteration=model.best_iteration) for model in models]
    merged = lightgbm.Booster(model_str=lightgbm_module.average(texts))
    features = np.concatenate(data[1].features)
    expected = np.mean([model.predict(features, raw_score=True) for model in models], axis=0)
    np.testing.assert_allclose(merged.predict(features, raw_score=True), expected, atol=1e-12)
    added = merged.predict(features[:50], pred_contrib=True).sum(axis=1)
    np.testing.assert_allclose(added, expected[:50], atol=1e-9)


def strike_when_at_work(processes, strike, done):
    """Do something to a worker that computes for a moment; return it, None if there is none."""
    before = {process.pid: sum(process.cpu_times()[:2]) for process in processes}
    while not done.is_set():
        for process in processes:
            if sum(process.cpu_times()[:2]) - before[process.pid] > 0.05:
                strike(process)
                return process
        time.sleep(0.01)
    return None


@contextmanager
def when_at_work(processes, strike):
    """Have something done to the first of some workers that computes; yield the future of it."""
    done = threading.Event()
    with ThreadPoolExecutor() as threads:
        striking = threads.submit(strike_when_at_work, processes, strike, done)
        try:
            yield striking
        finally:
            done.set()
        assert striking.result()


@contextmanager
def struck(pool, signal_):
    """Have a worker get a signal as soon as it computes."""
    wait_until(lambda: len(pool.watch.living(2)) == 2)  # the one struck before starts again
    pids = pool.client.run(os.getpid)
    processes = [psutil.Process(pid) for pid in pids.values()]
    with when_at_work(processes, methodcaller("send_signal", signal_)) as striking:
        yield
    victim = striking.result()
    address = next(one for one, pid in pids.items() if pid == victim.pid)
    wait_until(lambda: address not in pool.watch.living())  # until it is known to be lost


@pytest.mark.parametrize("signal_", [signal.SIGKILL, signal.SIGSTOP])
@pytest.mark.parametrize("name", FAMILIES)
def test_a_worker_that_is_killed_or_silent_changes_nothing(
    pool, data, name, signal_, calm, monkeypatch
):
    monkeypatch.setattr(watch, "SILENT_SECONDS", 4)
    started = time.monotonic()
    with struck(pool, signal_):
        disturbed = answers(name, fit(pool, name, data), data)
    np.testing.assert_array_equal(calm(name), disturbed)
    assert time.monotonic() - started < 60


@pytest.mark.parametrize("signal_", [signal.SIGKILL, signal.SIGSTOP])
def test_a_fit_ends_that_lacks_a_worker(own, data, signal_, monkeypatch):
    monkeypatch.setattr(watch, "SILENT_SECONDS", 4)
    monkeypatch.setattr(watch, "GONE_SECONDS", 6)
    own.add(), own.add()
    with (
        open_workers(Cluster(scheduler=own.address, workers=2), 1) as pool,
        struck(pool, signal_),
        pytest.raises(SkipcastError, match=r"must have 2 workers .* but had 1 for 6 s\. Start as"),
    ):
        fit(pool, "xgboost", data)


@pytest.mark.parametrize("name", ["xgboost", "lightgbm"])
def test_a_fit_ends_whose_scheduler_is_killed(own, data, name, monkeypatch):
    monkeypatch.setattr(watch, "ANSWER_SECONDS", 2)
    processes = [psutil.Process(own.add().pid) for _ in range(2)]
    with (
        open_workers(Cluster(scheduler=own.address, workers=2), 1) as pool,
        when_at_work(processes, lambda _: own.scheduler.kill()),
        pytest.raises(SkipcastError, match="must answer until the work is done but no longer"),
    ):
        fit(pool, name, data)


def test_of_two_fits_at_once_the_second_waits(pool, data):
    with ThreadPoolExecutor() as threads:
        both = [threads.submit(fit, pool, "xgboost", data) for _ in range(2)]
        one, other = (answers("xgboost", each.result(60), data) for each in both)
    np.testing.assert_array_equal(one, other)
