"""What every set of features must do. Tests call these checks with our groups and with others.

Each check takes a set of features and plays of whole sessions, in order, with their tracks.
"""

from operator import attrgetter

import numpy as np
import pandas as pd
import pytest

from skipcast.features.feature import Compute, Feature, FeatureBlock
from skipcast.features.feature_set import FeatureSet
from skipcast.features.session_rows import number
from skipcast.features.views import LookAheadError
from skipcast.schema import LOG, REASON_START, names

FIXED = {"session_id", "session_position", "session_length"}  # where a play is, not what it is
POSITIONS = (1, 2, 7, 12)


def check_blind_to_the_future(feature_set: FeatureSet, plays: pd.DataFrame) -> None:
    """Change all that a play cannot know: its features stay, bit for bit."""
    for seed, position in enumerate(POSITIONS):
        check_blind_at(feature_set, plays, position, seed)


def check_blind_at(feature_set: FeatureSet, plays: pd.DataFrame, position: int, seed: int) -> None:
    """Check the plays at one position; `seed` decides what the unknown becomes."""
    here, changed = _with_another_future(feature_set, plays, position, seed)
    before, after = (feature_set.build(table)[here] for table in (plays, changed))
    np.testing.assert_array_equal(before.to_numpy(), after.to_numpy())


def _with_another_future(
    feature_set: FeatureSet, plays: pd.DataFrame, position: int, seed: int
) -> tuple[np.ndarray, pd.DataFrame]:
    """Return which plays to look at, and plays in which all that these cannot know differs."""
    horizon = feature_set.horizon
    at = plays["session_position"].to_numpy()
    unknown = [name for name in names(LOG) if name not in horizon.known]
    if horizon.history_length is not None:  # of all plays behind the history, in whatever order
        behind = at > horizon.history_length(plays["session_length"].to_numpy())
        return (at == position) & behind, spoil(plays, behind, unknown, seed)
    here = at == position
    changed = spoil(plays, here, [name for name in unknown if name != "session_length"], seed)
    changed = spoil(
        changed, at > position, [str(name) for name in plays if name not in FIXED], seed
    )
    return here, changed.assign(session_length=99)


def spoil(plays: pd.DataFrame, rows: np.ndarray, columns: list[str], seed: int) -> pd.DataFrame:
    """Return `plays` with other values in `columns` of `rows`: flags inverted, others shuffled."""
    rng = np.random.default_rng(seed)
    spoilt = plays.copy()
    for column in columns:
        values = spoilt[column].to_numpy(copy=True)
        if values.dtype == bool:
            values[rows] = ~values[rows]
        else:
            values[rows] = rng.permutation(plays[column].to_numpy())[: rows.sum()]
        spoilt[column] = values
    return spoilt


def check_blind_to_how_many_plays_follow(feature_set: FeatureSet, plays: pd.DataFrame) -> None:
    """Take away the plays to come, where the horizon knows nothing of them: nothing changes."""
    if feature_set.horizon.ahead:
        return
    at = plays["session_position"].to_numpy()
    for position in POSITIONS:
        cut = plays[at <= position]
        here = (cut["session_position"] == position).to_numpy()
        expected = feature_set.build(plays)[at == position]
        np.testing.assert_array_equal(feature_set.build(cut)[here].to_numpy(), expected.to_numpy())


def _check_blind(feature_set: FeatureSet, plays: pd.DataFrame) -> None:
    check_blind_to_the_future(feature_set, plays)
    check_blind_to_how_many_plays_follow(feature_set, plays)


LEAKS: dict[str, Compute] = {
    "the present outcome": lambda now, before: attrgetter("_columns")(now)["skip_2"],
    "the next outcome": lambda now, before: np.roll(attrgetter("_columns")(now)["skip_2"], -1),
}
UNTIMELY: dict[str, Compute] = {  # which only a horizon may know that knows plays to come
    "the next track": lambda now, before: np.roll(
        number(attrgetter("_columns")(now).raw("track_id_clean")), -1
    ),
    "how many follow": lambda now, before: np.subtract(
        *attrgetter("_rows.stop", "_rows.row")(before)
    ),
}


BEHIND_THE_HISTORY: dict[str, Compute] = {  # told at a play's start, where only tracks are known
    "how it started": lambda now, before: attrgetter("_columns")(now)[REASON_START],
}


def check_a_planted_leak_is_seen(feature_set: FeatureSet, plays: pd.DataFrame) -> None:
    """With a feature that goes around the views, a check of blindness fails."""
    more = BEHIND_THE_HISTORY if feature_set.horizon.ahead else UNTIMELY
    for compute in (LEAKS | more).values():
        leak = FeatureBlock((Feature("leak", "What it may not know."),), frozenset(), compute)
        leaking = FeatureSet(feature_set.horizon, (*feature_set.groups, (leak,)))
        with pytest.raises(AssertionError, match="not equal"):
            _check_blind(leaking, plays)


def check_looking_ahead_is_refused_where_nothing_is_known(
    feature_set: FeatureSet, plays: pd.DataFrame
) -> None:
    """A feature that looks ahead without a word, or by a column not known ahead, raises."""
    peeks: list[tuple[Compute, frozenset[str]]] = [
        (lambda now, before: now.ahead.distinct_share(), frozenset()),
        (lambda now, before: now.ahead.means(("skip_2",))[:, 0], frozenset({"tempo"})),
        (lambda now, before: before.ahead(frozenset({"skip_2"})).distinct_share(), frozenset()),
    ]
    for compute, ahead in peeks:
        block = FeatureBlock((Feature("peek", "A look."),), frozenset(), compute, ahead)
        peeking = FeatureSet(feature_set.horizon, ((block,),))
        if block.is_known(feature_set.horizon):
            with pytest.raises(LookAheadError):
                peeking.build(plays)
        else:
            assert not len(peeking.names)


def check_a_request_gives_what_bulk_does(feature_set: FeatureSet, plays: pd.DataFrame) -> None:
    """A session has the same bits alone and among all others."""
    everything = feature_set.build(plays)
    sessions = [plays.loc[rows] for rows in plays.groupby("session_id").groups.values()]
    for session in sessions[::40]:
        expected = everything.loc[session.index]
        alone = feature_set.build(session)
        pd.testing.assert_frame_equal(alone, expected, check_exact=True)


def check_the_order_of_sessions_changes_nothing(
    feature_set: FeatureSet, plays: pd.DataFrame
) -> None:
    """The last session first gives the same bits."""
    sessions = [plays.loc[rows] for rows in plays.groupby("session_id").groups.values()]
    turned = feature_set.build(pd.concat(sessions[::-1]))
    expected = feature_set.build(plays)
    pd.testing.assert_frame_equal(turned.loc[plays.index], expected, check_exact=True)


def check_arrays_give_what_a_frame_does(feature_set: FeatureSet, plays: pd.DataFrame) -> None:
    """Columns as arrays, as the server holds them, give the same bits."""
    arrays = {str(name): plays[name].to_numpy() for name in plays}
    expected = feature_set.build(plays)
    pd.testing.assert_frame_equal(feature_set.build(arrays), expected, check_exact=True)


def check_plays_stay_as_they_are(feature_set: FeatureSet, plays: pd.DataFrame) -> None:
    """What is passed in is not changed."""
    copy = plays.copy(deep=True)
    feature_set.build(plays)
    pd.testing.assert_frame_equal(plays, copy)


def check_no_plays_give_no_rows(feature_set: FeatureSet, plays: pd.DataFrame) -> None:
    """An empty table is no error."""
    assert feature_set.build(plays.head(0)).shape == (0, len(feature_set.names))


def check_nan_only_where_the_meaning_says_so(feature_set: FeatureSet, plays: pd.DataFrame) -> None:
    """A feature may be missing if its meaning says when; each meaning is a sentence."""
    assert all(feature.meaning.endswith(".") for feature in feature_set.features)
    history_length = feature_set.horizon.history_length
    table = feature_set.build(plays)
    if history_length is not None:
        table = table[
            plays["session_position"] > history_length(plays["session_length"].to_numpy())
        ]
    may = {f.name for f in feature_set.features if "NaN" in f.meaning and "never" not in f.meaning}
    assert set(table.columns[table.isna().any()]) <= may


CHECKS = (
    check_blind_to_the_future,
    check_blind_to_how_many_plays_follow,
    check_looking_ahead_is_refused_where_nothing_is_known,
    check_a_planted_leak_is_seen,
    check_a_request_gives_what_bulk_does,
    check_the_order_of_sessions_changes_nothing,
    check_arrays_give_what_a_frame_does,
    check_plays_stay_as_they_are,
    check_no_plays_give_no_rows,
    check_nan_only_where_the_meaning_says_so,
)
