import pytest

from skipcast.features.feature import Feature, FeatureBlock, column, reads
from skipcast.features.views import LookAheadError
from skipcast.schema import HORIZONS, LOG, names

TOO_LATE = sorted(set(names(LOG)) - HORIZONS["started"].known - {"session_length"})


@pytest.mark.parametrize("name", TOO_LATE)
def test_a_function_cannot_declare_what_is_known_only_afterwards(name):
    with pytest.raises(LookAheadError, match=name):
        reads(name)(lambda now, before: now[name])


@pytest.mark.parametrize("name", TOO_LATE)
def test_a_column_cannot_be_one_that_is_known_only_afterwards(name):
    with pytest.raises(LookAheadError, match=name):
        column("sly", "A leak.", source=name)


def test_a_block_cannot_read_what_no_single_horizon_knows_together():
    """The length belongs to one horizon, the hour to two others."""
    with pytest.raises(LookAheadError, match="hour_of_day, session_length"):
        FeatureBlock(
            (Feature("both", "Both."),),
            frozenset({"hour_of_day", "session_length"}),
            lambda now, before: now["hour_of_day"],
        )


def test_a_function_gives_its_name_and_its_docstring_as_one_line():
    @reads("tempo")
    def double_tempo(now, before):
        """Twice the tempo,
        beats per minute."""
        return 2 * now["tempo"]

    assert double_tempo.features == (Feature("double_tempo", "Twice the tempo, beats per minute."),)
    assert double_tempo.reads == {"tempo"}


def test_a_column_reads_its_source_under_its_own_name():
    block = column("position", "Position.", source="session_position")
    assert block.features[0].name == "position"
    assert block.compute({"session_position": 3}, None) == 3


def test_a_block_is_known_where_all_that_it_reads_is():
    block = column("shuffle", "Whether.", source="hist_user_behavior_is_shuffle")
    known = [name for name, horizon in HORIZONS.items() if block.is_known(horizon)]
    assert known == ["started"]
