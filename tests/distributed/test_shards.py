"""How plays are dealt out: all get as many, whole sessions, each play once."""

import pickle
import subprocess
import sys

import numpy as np
import pytest

from skipcast.distributed.shards import Shares, part
from skipcast.models.family import Dataset

SESSION = 10  # plays


class Read:
    """Parts on disk, of which we know which were read: a play's only feature is its number."""

    def __init__(self, rows):
        self.ends = np.cumsum([0, *rows])
        self.read = []

    def __len__(self):
        return len(self.ends) - 1

    def __getitem__(self, number):
        self.read.append(number)
        return np.arange(*self.ends[number : number + 2], dtype=np.float32)[:, None]


def plays(*rows):
    count = np.arange(sum(rows))
    return Dataset(Read(rows), rows, count % 3 == 0, count // SESSION, count % SESSION + 1)


def dealt(workers, *rows, most=None):
    """Return the numbers of the plays that each share trains on."""
    pairs = Shares(plays(*rows), plays(200), workers).deal(most)
    return [
        np.concatenate([features[:, 0].astype(int) for features, _ in train.parts()])
        for train, _ in pairs
    ]


@pytest.mark.parametrize(
    ("workers", "rows"),
    [
        (2, [400, 400, 200]),  # a million plays in parts
        (2, [400, 400]),
        (2, [300]),  # less than a part each
        (3, [400, 400, 400, 400, 30]),
        (5, [400, 400, 400]),  # fewer parts than workers
        (2, [0, 400, 0, 200]),
        (2, [10, 20, 400]),
        (2, [400, 400, 400, 0, 0]),  # split by time
    ],
)
def test_all_get_as_many_whole_sessions_and_each_play_is_of_one(workers, rows):
    shares = dealt(workers, *rows)
    assert len(shares) == workers
    assert sorted(np.concatenate(shares).tolist()) == list(range(sum(rows)))
    sizes = [len(share) for share in shares]
    assert max(sizes) - min(sizes) <= 2 * SESSION * workers
    assert all(len(share) % SESSION == 0 for share in shares)
    assert all((np.bincount(share // SESSION) % SESSION == 0).all() for share in shares)


def test_whole_parts_go_out_in_turn_and_are_read_by_one_alone():
    pairs = Shares(plays(*[40] * 6), plays(120), 2).deal()
    read = []
    for train, _ in pairs:
        source = train.features.features
        source.read.clear()
        list(train.parts())
        read.append(source.read[:])
    assert read == [[0, 2, 4, 5], [1, 3, 4, 5]]


def test_labels_are_those_of_the_plays():
    for train, _ in Shares(plays(400, 400, 200), plays(60), 2).deal():
        for features, skipped in train.parts():
            np.testing.assert_array_equal(skipped, features[:, 0] % 3 == 0)


def test_where_not_all_would_get_both_kinds_fewer_share():
    validation = plays(2 * SESSION)  # two sessions: enough for two
    assert len(Shares(plays(400, 400), validation, 4).deal()) == 2
    assert len(Shares(plays(400, 400), plays(SESSION), 4).deal()) == 1


def test_no_more_share_than_may():
    assert len(dealt(8, 400, 400, most=3)) == 3


def test_what_is_sent_of_a_play_is_a_byte():
    sent = len(pickle.dumps(part(plays(400_000), 0)))
    assert sent < 400_000 * 1.2


def test_a_worker_that_fits_starts_without_the_libraries_of_the_search():
    tasks = "skipcast.search.plays, skipcast.distributed.fits"  # of what is sent to it
    program = f"import sys, {tasks}; print({{'mlflow', 'optuna', 'sklearn'}} & {{*sys.modules}})"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.stdout == "set()\n", done.stderr
