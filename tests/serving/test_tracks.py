"""The tracks that a model knows."""

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from skipcast.errors import SkipcastError
from skipcast.schema import TRACK_INPUTS, TRACK_KNOWN
from skipcast.serving.tracks import read_tracks

TABLE: dict[str, list] = {
    "track_id": ["a", "b", None],
    **{name: [0.25, 0.5, None] for name in TRACK_INPUTS},
    "tempo": [90.0, None, None],
    "mode": ["major", None, None],
    "track_plays": [4, 3, 0],
    "track_skips": [2, 3, 0],
    "track_depth": [9, 1, 0],
    "prior_plays": [2.0, 2.0, 2.0],
    "prior_skips": [1.0, 1.0, 1.0],
    "prior_depth": [4.0, 4.0, 4.0],
}


@pytest.fixture
def tracks(tmp_path):
    """Return two tracks, read from Parquet; the second one lacks its tempo and its mode."""
    pq.write_table(pa.table(TABLE), tmp_path / "tracks.parquet")
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
    assert all(np.isnan(features[name][1]) for name in TRACK_INPUTS)


def test_an_unknown_track_has_no_plays_and_the_prior_of_all(tracks):
    features, _ = tracks.look_up(["a", "new"])
    assert features["track_plays"].tolist() == [4, 0]
    assert features["prior_skips"].tolist() == [1, 1]


@pytest.mark.parametrize(
    ("table", "lacks"),
    [
        ({k: v for k, v in TABLE.items() if k != "track_skips"}, "track_skips"),
        ({k: TABLE[k][:2] for k in TABLE}, "a last row for tracks that it does not name"),
    ],
)
def test_a_table_that_lacks_something_is_refused(tmp_path, table, lacks):
    pq.write_table(pa.table(table), tmp_path / "tracks.parquet")
    with pytest.raises(SkipcastError, match=rf"lacks {lacks}\. `dvc repro --force search`"):
        read_tracks(tmp_path / "tracks.parquet")


def test_every_feature_is_there(tracks):
    assert tuple(tracks.look_up(["a"])[0]) == TRACK_KNOWN
