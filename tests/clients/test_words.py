"""A prediction in words: each sentence says what was, and only what was known."""

import pandas as pd
import pytest

from skipcast.clients.sentences import Moment
from skipcast.clients.words import LEAST, MOST, SENTENCE_OF, explain
from skipcast.features.build import GROUPS
from skipcast.schema import REASON_END, REASON_START, SHUFFLE

FORWARD = {"skip_2": 1.0, "not_skipped": 0.0, REASON_END: "fwdbtn", "track_id_clean": "a"}
DONE = {"skip_2": 0.0, "not_skipped": 1.0, REASON_END: "trackdone", "track_id_clean": "b"}
CUT = {"skip_2": None, "not_skipped": None, REASON_END: "logout", "track_id_clean": "c"}
NEXT = {"track_id_clean": "a"}


def before(what, plays, **outcomes):
    """Return how often a track or an artist was played before."""
    counts = {"plays": plays} | outcomes
    return {f"listener_{what}_{name}": float(count) for name, count in counts.items()}


def say(feature, play=NEXT, past=()):
    """Return the sentence of a feature that mattered; None if there is none."""
    words = explain(Moment(NEXT | play, list(past)), pd.Series({feature: 1.0}), you=True)
    return words[0]["text"] if words else None


SAID = [
    (
        "started_by",
        {REASON_START: "trackdone"},
        (),
        "It started because the play before ended by itself.",
    ),
    ("started_by", {REASON_START: "fwdbtn"}, (), "You pressed forward to get to it."),
    ("started_by", {REASON_START: "unknown"}, (), None),
    ("started_by", {}, (), None),
    (
        "previous_ended_by",
        {},
        (DONE, FORWARD, FORWARD, FORWARD),
        "You pressed forward on the last 3 plays.",
    ),
    ("previous_ended_by", {}, (DONE, FORWARD), "You pressed forward on the play before."),
    ("previous_ended_by", {}, (DONE, CUT), "The app was closed in the play before."),
    ("previous_ended_by", {}, (DONE, DONE), "The last 2 plays ended by themselves."),
    ("previous_ended_by", {}, (), None),
    (
        "previous_started_by",
        {},
        ({**DONE, REASON_START: "clickrow"},),
        "You had chosen the play before.",
    ),
    ("previous_started_by", {}, (), None),
    ("streak", {}, (FORWARD,) * 7, "You skipped the last 7 plays."),
    ("streak", {}, (FORWARD, DONE, DONE), "You skipped 1 of the last 3 plays."),
    ("depth_1", {}, (DONE,), "You kept the play before."),
    ("skip_rate_half_life_5", {}, (FORWARD, DONE, CUT), "You skipped 1 of the last 2 plays."),
    ("streak", {}, (CUT,), None),
    ("skip_rate", {}, (DONE, DONE), "You skipped none of the 2 plays of this session so far."),
    (
        "skip_rate",
        {},
        (FORWARD, DONE, DONE),
        "You skipped 1 of the 3 plays of this session so far.",
    ),
    ("forward_rate", {}, (FORWARD, DONE, CUT), "You pressed forward on 1 of the 3 plays so far."),
    ("done_rate", {}, (FORWARD, FORWARD), "None of the 2 plays so far ended by themselves."),
    ("plays_since_skip", {}, (FORWARD, DONE, DONE), "You skipped a play 3 plays before."),
    ("plays_since_skip", {}, (DONE,), "You skipped nothing in this session so far."),
    ("plays_since_skip", {}, (CUT,), None),
    ("plays_since_full_listen", {}, (DONE,), "You heard the play before to its end."),
    ("long_pause", {"long_pause_before_play": 1.0}, (), "There was a long pause before it."),
    ("no_pause", {"no_pause_before_play": 0.0}, (), None),
    (
        "context_type",
        {"context_type": "personalized_playlist"},
        (),
        "It came from a playlist made for you.",
    ),
    ("context_type", {"context_type": "a new one"}, (), None),
    (
        "plays_since_context_switch",
        {},
        ({**DONE, "context_switch": 1.0}, {**DONE, "context_switch": 0.0}),
        "You changed the list 2 plays before.",
    ),
    ("context_switch", {"context_switch": 1.0}, (), "You changed the list just before."),
    ("context_switch", {"context_switch": 0.0}, (), None),
    (  # what only the start of the play tells is not told before
        "plays_since_context_switch",
        {"context_switch": 1.0},
        ({**DONE, "context_switch": 0.0},),
        "You did not change the list in this session so far.",
    ),
    ("shuffle", {SHUFFLE: 1.0}, (), "Shuffle was on."),
    ("hour_sin", {"hour_of_day": 14.0, "date": "2024-05-06"}, (), "It was Monday, 14 o'clock."),
    ("day_of_week", {"hour_of_day": None, "date": None}, (), None),
    ("position", {}, (), "It was the session's first play."),
    ("position", {}, (DONE,), "It was play 2 of the session."),
    ("same_track_skipped", {}, (FORWARD, DONE), "You skipped this track earlier in this session."),
    ("same_track_skipped", {}, (DONE,), None),
    (
        "listener_skip_rate",
        {"listener_plays": 100.0, "listener_skips": 31.0},
        (),
        "You skipped 31 % of all plays until then.",
    ),
    (
        "listener_artist_skip_rate",
        before("artist", 9, skips=7),
        (),
        "You skipped this artist 7 of 9 times before.",
    ),
    (
        "listener_artist_skip_rate",
        before("artist", 9, skips=9),
        (),
        "You skipped this artist all 9 times before.",
    ),
    (
        "listener_artist_log_plays",
        before("artist", 9, skips=0),
        (),
        "You kept this artist all 9 times before.",
    ),
    (
        "listener_track_skip_rate",
        before("track", 1, skips=1),
        (),
        "You skipped this track the one time before.",
    ),
    ("listener_track_skip_rate", before("track", 0, skips=0), (), "This track was new to you."),
    ("listener_track_skip_rate", {}, (), None),
    (
        "listener_track_full_listen_rate",
        before("track", 4, full_listens=3),
        (),
        "You heard this track to its end 3 of 4 times before.",
    ),
    (
        "listener_track_full_listen_rate",
        before("track", 4, full_listens=0),
        (),
        "You never heard this track to its end.",
    ),
    (
        "listener_artist_recent_skip_rate",
        {"listener_artist_recent_skip_rate": 0.625},
        (),
        "In the sessions before, you skipped 62 % of the latest plays of this artist.",
    ),
    (
        "listener_track_last_skipped",
        {"listener_track_last_skipped": 0.0},
        (),
        "You kept this track the last time.",
    ),
    (
        "listener_track_log_days_since",
        {"listener_track_last_at": 0.0, "started_at": 3 * 86_400.0},
        (),
        "You had played this track 3 days before.",
    ),
    ("listener_track_log_days_since", {"listener_track_last_at": 0.0}, (), None),
    ("acousticness", {}, (DONE,), None),
]


@pytest.mark.parametrize(("feature", "play", "past", "text"), SAID)
def test_a_feature_says_what_was(feature, play, past, text):
    assert say(feature, play, past) == text


def test_no_sentence_is_of_a_feature_that_does_not_exist():
    known = {f.name for group in GROUPS.values() for block in group for f in block.features}
    assert {name for name in SENTENCE_OF if not name.startswith("listener_")} - known == set()


GROUPS_IN_WORDS = ("context", "outcomes", "behaviour", "listener_history")
SILENT = {
    *("length", "premium", "seeks_forward", "seeks_back", "short_pauses", "long_pauses"),
    "context_switches",
}


@pytest.mark.parametrize("group", [name for name in GROUPS_IN_WORDS if name in GROUPS])
def test_every_feature_of_a_history_has_its_sentence(group):
    known = {f.name for block in GROUPS[group] for f in block.features}
    known = {name for name in known if not name.endswith("_at_half")}  # no history has halves
    assert known - set(SENTENCE_OF) <= SILENT


def test_features_that_say_the_same_are_one_sentence():
    contributions = pd.Series({"streak": 0.3, "depth_1": -0.1, "previous_skipped": 0.2})
    words = explain(Moment(NEXT, [FORWARD, FORWARD]), contributions, you=True)
    assert words == [{"text": "You skipped the last 2 plays.", "log_odds": pytest.approx(0.4)}]


def test_the_strongest_come_first_and_there_are_few():
    contributions = pd.Series(
        {"position": 0.1, "streak": -0.9, "skip_rate": 0.3, "forward_rate": 0.2}
        | {"plays_since_skip": 0.15, "previous_ended_by": LEAST / 2}
    )
    words = explain(Moment(NEXT, [FORWARD, DONE, FORWARD]), contributions, you=True)
    assert [word["log_odds"] for word in words] == [-0.9, 0.3, 0.2, 0.15]
    assert len(words) == MOST


def test_what_moved_next_to_nothing_is_not_said():
    words = explain(Moment(NEXT, []), pd.Series({"position": LEAST / 2}), you=True)
    assert words == []


def test_who_is_not_the_listener_reads_of_the_listener():
    contributions = pd.Series({"streak": 1.0, "context_type": 0.5})
    play = NEXT | {"context_type": "user_collection"}
    words = explain(Moment(play, [FORWARD, FORWARD]), contributions, you=False)
    assert [word["text"] for word in words] == [
        "The listener skipped the last 2 plays.",
        "It came from the listener's own collection.",
    ]


@pytest.mark.parametrize("text", [text for *_, text in SAID if text])
def test_sentences_are_whole(text):
    assert text[0].isupper()
    assert text.endswith(".")
    assert "{" not in text
