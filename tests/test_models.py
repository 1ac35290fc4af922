import json
import pickletools
import warnings

import numpy as np
import optuna
import pytest

from skipcast.features import build_features
from skipcast.metrics import evaluate
from skipcast.models import FAMILIES

optuna.logging.set_verbosity(optuna.logging.WARNING)


@pytest.fixture(scope="module")
def data(plays):
    return build_features(plays, "started").to_numpy(), plays["skip_2"].to_numpy()


def fit(family, data, seed=0):
    trial = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=3)).ask()
    params = FAMILIES[family].suggest(trial)
    return FAMILIES[family].build(params, seed, 1).fit(*data)


@pytest.mark.parametrize("family", FAMILIES)
def test_a_loaded_model_answers_what_the_fitted_one_does(family, data, tmp_path):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model = fit(family, data)
    FAMILIES[family].save(model, tmp_path / "classifier")
    loaded = FAMILIES[family].load(tmp_path / "classifier")
    expected = model.predict_proba(data[0])[:, 1].astype(float)
    np.testing.assert_array_equal(loaded(data[0]), expected)
    # A sum of floats depends on how many rows share it: the last bit of float32, no more.
    np.testing.assert_allclose(loaded(data[0][7:8]), expected[7:8], rtol=5e-7)
    assert evaluate(data[1], expected)["accuracy"] > 0.6


@pytest.mark.parametrize("family", FAMILIES)
def test_a_saved_model_is_no_pickle(family, data, tmp_path):
    FAMILIES[family].save(fit(family, data), tmp_path / "classifier")
    content = (tmp_path / "classifier").read_bytes()
    with pytest.raises(ValueError, match=r"opcode|expected|not"):
        list(pickletools.genops(content))


@pytest.mark.parametrize("family", FAMILIES)
def test_the_same_seed_gives_the_same_model(family, data):
    one, two = (fit(family, data).predict_proba(data[0]) for _ in range(2))
    np.testing.assert_array_equal(one, two)


def test_logistic_takes_a_missing_history_as_a_fact_of_its_own(data):
    """An indicator, not a number far away: plays with history must not depend on the filling."""
    model = fit("logistic", data)
    imputer = model[0]
    assert imputer.add_indicator
    assert imputer.transform(data[0][:1]).shape[1] > data[0].shape[1]
    assert json.dumps(imputer.get_params()["strategy"]) == '"mean"'
