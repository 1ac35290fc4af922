import numpy as np
import pytest

from skipcast.features.build import feature_set
from skipcast.features.feature import Feature, FeatureBlock, column, reads
from skipcast.features.feature_set import CHUNK, FeatureSet
from skipcast.schema import AHEAD, HORIZONS, TRACK_GROUPS

STARTED, QUEUED = HORIZONS["started"], HORIZONS["queued"]
PREMIUM = column("premium", "Whether the listener pays.")
SHUFFLE = column("shuffle", "Whether.", source="hist_user_behavior_is_shuffle")
PAIR = FeatureBlock(
    (Feature("once", "The tempo."), Feature("twice", "Twice the tempo.")),
    frozenset({"tempo"}),
    lambda now, before: np.array([now["tempo"], 2 * now["tempo"]]),
)


def test_names_are_those_of_all_blocks_in_order():
    assert list(FeatureSet(STARTED, ((PAIR, PREMIUM), (SHUFFLE,))).names) == [
        "once",
        "twice",
        "premium",
        "shuffle",
    ]


def test_a_block_that_the_horizon_does_not_know_is_left_out():
    assert list(FeatureSet(QUEUED, ((SHUFFLE, PREMIUM),)).names) == ["premium"]


def test_a_name_must_be_unique():
    with pytest.raises(ValueError, match="must be unique but got premium twice"):
        FeatureSet(STARTED, ((PREMIUM,), (PREMIUM,)))


def test_a_block_fills_a_column_per_feature(three_plays):
    three_plays["tempo"] = [100.0, 110.0, 120.0]
    table = FeatureSet(STARTED, ((PREMIUM, PAIR),)).build(three_plays)
    assert table["premium"].tolist() == [1, 1, 1]
    assert table["once"].tolist() == [100, 110, 120]
    assert table["twice"].tolist() == [200, 220, 240]


def test_values_are_single_floats_with_the_index_of_the_plays(three_plays):
    table = FeatureSet(STARTED, ((PREMIUM,),)).build(three_plays.set_index(np.array([7, 8, 9])))
    assert table.index.tolist() == [7, 8, 9]
    assert table["premium"].dtype == np.float32


def test_compute_gives_what_build_does(three_plays):
    features = FeatureSet(STARTED, ((PREMIUM, PAIR),))
    expected = features.build(three_plays).to_numpy()
    np.testing.assert_array_equal(features.compute(three_plays), expected)


def test_no_groups_give_no_columns(three_plays):
    assert FeatureSet(STARTED, ()).build(three_plays).shape == (3, 0)


def test_a_feature_reads_only_what_its_block_declares(three_plays):
    @reads("premium")
    def sneaky(now, before):
        """The tempo."""
        return now["tempo"]

    with pytest.raises(Exception, match="tempo of the present play must be declared"):
        FeatureSet(STARTED, ((sneaky,),)).build(three_plays)


@pytest.mark.parametrize("horizon", HORIZONS)
@pytest.mark.parametrize("share", [0.0, 0.01, 0.5])
def test_features_of_the_plays_asked_for_are_those_of_all(plays, horizon, share):
    """Bit for bit, over several runs of sessions, of which some have no play that is asked for."""
    features = feature_set(horizon, (*TRACK_GROUPS, *([AHEAD] if HORIZONS[horizon].ahead else [])))
    asked = np.random.default_rng(0).random(len(plays)) < share
    asked[:CHUNK] = False
    expected = features.compute(plays)[asked]
    np.testing.assert_array_equal(features.compute(plays, asked), expected)
