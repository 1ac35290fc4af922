"""The group ahead: the track beside those to come, where these are known in advance.

Listeners who skip go on to the next track, those who press back return to one: so the tracks of a
session tell something of the outcomes between them.
"""

import numpy as np

from skipcast.arrays import Floats
from skipcast.features.feature import Feature, FeatureBlock, reads
from skipcast.features.groups.taste import AUDIO, SD
from skipcast.features.views import Past, Present
from skipcast.schema import HORIZONS

TRACK = ("track_id_clean",)
RELATIONS = (
    ("same_as_previous", 0, -1, "Whether the play before is of the same track"),
    ("same_as_previous_but_one", 0, -2, "Whether the play before the last is of the same track"),
    ("same_as_next", 0, 1, "Whether the next play is of the same track"),
    (
        "next_is_previous",
        -1,
        1,
        "Whether the next play is of the previous one's track, as after back was pressed",
    ),
    ("next_repeats", 1, 2, "Whether the next play and the one after it are of the same track"),
    ("went_back_1_before", -1, -3, "Whether the play before is of the track two plays before it"),
    ("went_back_2_before", -2, -4, "Whether the play before the last is, as well"),
    ("goes_back_2_after", 2, 0, "Whether the play after the next one is of this track"),
    ("goes_back_3_after", 3, 1, "Whether the third play to come is of the next one's track"),
)

SAME = FeatureBlock(
    tuple(
        Feature(name, f"{text}: 0 or 1; NaN where the session has no such play.")
        for name, _, _, text in RELATIONS
    ),
    frozenset(),
    lambda now, before: np.array(
        [now.ahead.same_track(one, other) for _, one, other, _ in RELATIONS]
    ),
    frozenset(TRACK),
)

REPEATS = FeatureBlock(
    (
        Feature("repeats_before", "How many earlier plays of the session are of the same track."),
        Feature("repeats_ahead", "How many plays to come in the session are of the same track."),
    ),
    frozenset(),
    lambda now, before: now.ahead.repeats(),
    frozenset(TRACK),
)


@reads(ahead=TRACK)
def distinct_tracks(now: Present, before: Past) -> Floats:
    """Number of the session's tracks as a share of its plays, above 0 to 1; never NaN."""
    return now.ahead.distinct_share()


@reads(*AUDIO, ahead=AUDIO)
def distance_to_session(now: Present, before: Past) -> Floats:
    """Root mean square distance of the audio to the session's mean, in sd; NaN if unknown."""
    difference = (now.matrix(AUDIO) - now.ahead.means(AUDIO)) / SD
    distances: Floats = np.sqrt((difference * difference).mean(axis=1))
    return distances


@reads("session_position", "session_length", ahead=("session_length",))
def place_in_half(now: Present, before: Past) -> Floats:
    """Place of the play in the second half of its session: 1, 2, ...; 0 or less before it."""
    history_length = HORIZONS["second_half"].history_length
    assert history_length is not None
    return now["session_position"] - history_length(now["session_length"])


@reads("session_position", "session_length", ahead=("session_length",))
def plays_left(now: Present, before: Past) -> Floats:
    """How many plays of the session are to come after this one: 0, 1, 2, ..."""
    return now["session_length"] - now["session_position"]


AHEAD = (SAME, REPEATS, distinct_tracks, distance_to_session, place_in_half, plays_left)
