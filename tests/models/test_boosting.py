import numpy as np
import pytest
from harness.family_checks import datasets

from skipcast.evaluation.metrics import evaluate
from skipcast.models.boosting import MAX_ROUNDS, PATIENCE
from skipcast.models.families import FAMILIES

BOOSTED = [name for name, family in FAMILIES.items() if family.boosted]


class StopError(Exception):
    pass


@pytest.fixture(scope="module")
def data(plays):
    return datasets(plays, sessions=300)


def boost(family, data, on_round):
    params = family.defaults({}) | {"learning_rate": 0.3}
    prepared = family.prepare(train=data[0], validation=data[1])
    return family.fit(params, prepared, seed=0, threads=1, on_round=on_round)


@pytest.mark.parametrize("name", BOOSTED)
def test_a_fit_ends_when_the_validation_loss_has_turned_and_keeps_the_best_round(name, data):
    losses = []
    model = boost(FAMILIES[name], data, lambda learned, loss: losses.append(loss))
    assert np.argmin(losses) + 1 + PATIENCE == len(losses) < MAX_ROUNDS
    probability = FAMILIES[name].predict(model, data[1].features[0])
    loss = evaluate(data[1].skipped, probability)["log_loss"]
    assert loss == pytest.approx(min(losses), abs=1e-5)


@pytest.mark.parametrize("name", BOOSTED)
def test_rounds_times_learning_rate_is_reported(name, data):
    progress = []
    boost(FAMILIES[name], data, lambda learned, loss: progress.append(learned))
    np.testing.assert_allclose(progress[:3], [0.3, 0.6, 0.9])


@pytest.mark.parametrize("name", BOOSTED)
def test_the_callback_ends_a_fit_by_raising(name, data):
    def stop(learned, loss):
        raise StopError

    with pytest.raises(StopError):
        boost(FAMILIES[name], data, stop)
