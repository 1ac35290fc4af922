from types import MappingProxyType

import optuna
import pytest

from skipcast.models.family import ModelFamily, Range

optuna.logging.set_verbosity(optuna.logging.WARNING)
LEAVES = Range(7, 127, default=31, log=True)
RATE = Range(0.05, 0.3, default=0.1)


class Incomplete(ModelFamily):
    def predict(self, model, features):
        return features


class SpaceOnly(ModelFamily):
    """A family that can only be searched."""

    space = MappingProxyType({"leaves": LEAVES, "rate": RATE})
    prepare = fit = predict = contributions = save = load = lambda self, *_, **__: None  # type: ignore[assignment]


def test_a_family_without_all_methods_cannot_be_made():
    with pytest.raises(TypeError, match="contributions"):
        Incomplete()


@pytest.mark.parametrize(
    ("range_", "bounds", "fault"),
    [
        (RATE, (0.3, 0.1), "from low to high but got [0.3, 0.1]"),
        (RATE, (0.1, 0.1), "from low to high"),
        (LEAVES, (0, 10), "must be above 0"),
        (LEAVES, (7.5, 10), "whole numbers"),
    ],
)
def test_a_range_says_why_bounds_cannot_be_searched(range_, bounds, fault):
    assert fault in range_.fault(*bounds)


def test_a_range_takes_bounds_that_can_be_searched():
    assert LEAVES.fault(8, 16) is None
    assert RATE.fault(-1, 1) is None


def test_a_whole_default_makes_the_parameter_whole():
    trial = optuna.create_study().ask()
    assert isinstance(LEAVES.suggest(trial, "leaves", (7, 127)), int)
    assert isinstance(RATE.suggest(trial, "rate", (0.1, 0.2)), float)


def test_bounds_are_the_familys_own_unless_narrowed():
    assert SpaceOnly().bounds({"rate": (0.1, 0.2)}) == {"leaves": (7, 127), "rate": (0.1, 0.2)}


def test_defaults_move_into_narrowed_bounds():
    assert SpaceOnly().defaults({"leaves": (40.0, 50.0)}) == {"leaves": 40, "rate": 0.1}


def test_suggestions_stay_within_narrowed_bounds():
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    params = [SpaceOnly().suggest(study.ask(), {"leaves": (40, 50)}) for _ in range(20)]
    assert {values["leaves"] for values in params} <= set(range(40, 51))
    assert max(values["rate"] for values in params) > 0.2
