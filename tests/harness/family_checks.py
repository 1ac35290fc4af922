"""What every model family must do. Tests call these checks with our families and with others.

Each check takes the family, the plays to train and to validate on, and an empty folder.
"""

import pickletools
import weakref
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import pandas as pd
import pytest

from skipcast.arrays import Indices, Matrix
from skipcast.features.build import build_features
from skipcast.models.family import Dataset, ModelFamily
from skipcast.schema import TARGET

Data = tuple[Dataset, Dataset]
optuna.logging.set_verbosity(optuna.logging.WARNING)


def datasets(plays: pd.DataFrame, sessions: int = 60) -> Data:
    """Return the first sessions of `plays`: every other one trains, the others validate."""
    numbers = pd.factorize(plays["session_id"])[0]
    train, validation = (
        _dataset(plays[(numbers < sessions) & (numbers % 2 == rest)]) for rest in (0, 1)
    )
    return train, validation


def _dataset(plays: pd.DataFrame) -> Dataset:
    return Dataset.of(
        build_features(plays, "started").to_numpy(),
        plays[TARGET].to_numpy(),
        pd.factorize(plays["session_id"])[0],
        plays["session_position"].to_numpy(),
    )


class PartError(Exception):
    """A part that cannot be read."""


class Parts(Sequence[Matrix]):
    """Features on disk, as it were: each part is made anew whenever it is read.

    Attributes:
        alive: parts that are in memory now.
        most: that ever were at a time.
    """

    def __init__(self, matrix: Matrix, ends: Indices, damaged: int | None = None) -> None:
        self._parts, self._damaged = np.split(matrix, ends), damaged
        self.rows = [len(part) for part in self._parts]
        self.alive = self.most = 0

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, number: Any) -> Any:
        if number == self._damaged:
            raise PartError(f"part {number}")
        part = self._parts[number].copy()
        self.alive += 1
        self.most = max(self.most, self.alive)
        weakref.finalize(part, self._forget)
        return part

    def _forget(self) -> None:
        self.alive -= 1


def in_parts(data: Dataset, parts: int, damaged: int | None = None) -> Dataset:
    """Cut the plays into parts that are read whenever they are used; the first part is empty."""
    ends = np.linspace(0, len(data.skipped), parts, endpoint=False).astype(np.intp)
    features = Parts(data.features[0], ends, damaged)
    return replace(data, features=features, rows=features.rows)


def fit(family: ModelFamily, data: Data, prepared: Any = None, **params: float) -> Any:
    """Fit a model with the default parameters, but for `params`, seed 0, one thread."""
    train, validation = data
    prepared = prepared or family.prepare(train=train, validation=validation)
    values = family.defaults({}) | params
    return family.fit(values, prepared, seed=0, threads=1, on_round=lambda learned, loss: None)


def check_probabilities(family: ModelFamily, data: Data, folder: Path) -> None:
    """A number from 0 to 1 for each play, also where each of its values is missing."""
    model = fit(family, data)
    for features in (data[1].features[0], np.full_like(data[1].features[0][:3], np.nan)):
        probability = family.predict(model, features)
        assert probability.shape == (len(features),)
        assert probability.dtype == np.float64
        assert ((probability >= 0) & (probability <= 1)).all()


def check_learns(family: ModelFamily, data: Data, folder: Path) -> None:
    """What was skipped gets a higher probability than what was not."""
    probability = family.predict(fit(family, data), data[0].features[0])
    assert probability[data[0].skipped].mean() > probability[~data[0].skipped].mean()


def check_same_seed_same_bits(family: ModelFamily, data: Data, folder: Path) -> None:
    """Two fits with the same seed predict the same bits."""
    one, other = (family.predict(fit(family, data), data[1].features[0]) for _ in range(2))
    np.testing.assert_array_equal(one, other)


def check_one_play_alone_is_one_among_many(family: ModelFamily, data: Data, folder: Path) -> None:
    """Few plays share no sum with others: their bits are those that they have among all."""
    model = fit(family, data)
    features = data[1].features[0]
    expected = family.predict(model, features)
    for rows in (slice(7, 8), slice(20, 40), slice(100, 165)):
        np.testing.assert_array_equal(family.predict(model, features[rows]), expected[rows])


def check_load_returns_what_was_saved(family: ModelFamily, data: Data, folder: Path) -> None:
    """A model that was read from its file predicts the same bits."""
    model = fit(family, data)
    family.save(model, folder / "classifier")
    read = family.load(folder / "classifier", threads=1)
    expected = family.predict(model, data[1].features[0])
    np.testing.assert_array_equal(family.predict(read, data[1].features[0]), expected)


def check_file_is_no_pickle(family: ModelFamily, data: Data, folder: Path) -> None:
    """Who opens a model's file runs no code of its maker."""
    family.save(fit(family, data), folder / "classifier")
    content = (folder / "classifier").read_bytes()
    with pytest.raises(ValueError, match=r"opcode|expected|not"):
        list(pickletools.genops(content))


def check_save_raises_where_the_disk_is_full(family: ModelFamily, data: Data, folder: Path) -> None:
    """A file that is cut off would be a model with fewer trees, or none that loads."""
    with pytest.raises(OSError, match="No space left"):
        family.save(fit(family, data), Path("/dev/full"))


def check_contributions_add_up(family: ModelFamily, data: Data, folder: Path) -> None:
    """A row of contributions adds up to the log-odds of the play."""
    model, features = fit(family, data), data[1].features[0]
    contributions = family.contributions(model, features)
    assert contributions.shape == (len(features), features.shape[1] + 1)
    probability = 1 / (1 + np.exp(-contributions.sum(axis=1)))
    np.testing.assert_allclose(probability, family.predict(model, features), atol=1e-5)


def check_a_fit_leaves_prepared_data_as_they_were(
    family: ModelFamily, data: Data, folder: Path
) -> None:
    """After a fit with other parameters on the same prepared data, the bits are the same."""
    shared = family.prepare(train=data[0], validation=data[1])
    fit(family, data, shared, **{name: range_.high for name, range_ in _whole(family).items()})
    second, alone = fit(family, data, shared), fit(family, data)
    one, other = (family.predict(model, data[1].features[0]) for model in (second, alone))
    np.testing.assert_array_equal(one, other)


def check_parts_give_what_the_whole_gives(family: ModelFamily, data: Data, folder: Path) -> None:
    """However the plays are cut, the model is the same, and few parts are in memory at a time."""
    expected = family.predict(fit(family, data), data[1].features[0])
    for count in (2, 7):
        parts = [in_parts(part, count) for part in data]
        model = fit(family, (parts[0], parts[1]))
        probability = family.predict_parts(model, parts[1])
        np.testing.assert_allclose(probability, expected, rtol=0, atol=1e-9)  # sums may be rounded
        for plays in parts:
            assert isinstance(plays.features, Parts)
            assert plays.features.most <= 2  # the one before, until the next has been read
            assert plays.features.alive == 0


def check_what_is_wrong_with_a_part_is_told(family: ModelFamily, data: Data, folder: Path) -> None:
    """An error in reading a part passes through `prepare` as it is."""
    with pytest.raises(PartError, match="part 2"):
        family.prepare(train=in_parts(data[0], 3, damaged=2), validation=data[1])


def _whole(family: ModelFamily) -> dict[str, Any]:
    """Return the ranges, with ends that are whole numbers where the parameter is."""
    return {
        name: replace(range_, high=type(range_.default)(range_.high))
        for name, range_ in family.space.items()
    }


def check_defaults_lie_in_the_space(family: ModelFamily, data: Data, folder: Path) -> None:
    """Optuna takes the default parameters as a trial's."""
    study = optuna.create_study()
    study.enqueue_trial(family.defaults({}))
    assert family.suggest(study.ask(), {}) == family.defaults({})


def check_rounds_are_reported_by_boosted_families(
    family: ModelFamily, data: Data, folder: Path
) -> None:
    """`on_round` learns of every round, and of none where there are no rounds."""
    rounds: list[tuple[float, float]] = []
    family.fit(
        family.defaults({}),
        family.prepare(train=data[0], validation=data[1]),
        seed=0,
        threads=1,
        on_round=lambda learned, loss: rounds.append((learned, loss)),
    )
    assert bool(rounds) == family.boosted
    if family.boosted:
        learned, losses = np.array(rounds).T
        assert (np.diff(learned) > 0).all()
        assert np.isfinite(losses).all()


CHECKS = (
    check_probabilities,
    check_learns,
    check_same_seed_same_bits,
    check_one_play_alone_is_one_among_many,
    check_load_returns_what_was_saved,
    check_file_is_no_pickle,
    check_save_raises_where_the_disk_is_full,
    check_contributions_add_up,
    check_a_fit_leaves_prepared_data_as_they_were,
    check_parts_give_what_the_whole_gives,
    check_what_is_wrong_with_a_part_is_told,
    check_defaults_lie_in_the_space,
    check_rounds_are_reported_by_boosted_families,
)
