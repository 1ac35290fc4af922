"""The tracks that a model knows."""

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from skipcast.schema import TRACK_INPUTS
from skipcast.serving.tracks import read_tracks


@pytest.fixture
def tracks(tmp_path):
    """Return two tracks, read from Parquet; the second one lacks its tempo and its mode."""
    table = {"track_id": ["a", "b"], **{name: [0.25, 0.5] for name in TRACK_INPUTS}}
    table |= {"tempo": [90.0, None], "mode": ["major", None]}
    pq.write_table(pa.table(table), tmp_path / "tracks.parquet")
    return read_tracks(tmp_path / "tracks.parquet")


def test_features_come_in_the_order_of_the_ids(tracks):
    features, _ = tracks.look_up(["b", "a", "b"])
    assert features["energy"].tolist() == [0.5, 0.25, 0.5]


def test_a_text_comes_as_its_code_and_a_missing_value_as_nan(tracks):
    features, _ = tracks.look_up(["a", "b"])
    np.testing.assert_array_equal(features["mode"], [1, np.nan])
    np.testing.assert_array_equal(features["tempo"], [90, np.nan])


def test_an_unknown_track_is_nan_in_all_features(tracks):
    features, known = tracks.look_up(["a", "new"])
    assert known.tolist() == [True, False]
    assert all(np.isnan(values[1]) for values in features.values())


def test_every_feature_is_there(tracks):
    assert tuple(tracks.look_up(["a"])[0]) == TRACK_INPUTS
