"""A prediction in words: what the features that mattered most say of a play, as sentences.

A model says how much each feature mattered; what the feature stands for is read from the plays
themselves. Features that say the same share a sentence, and their contributions are added.
"""

import pandas as pd

from skipcast.clients.history_sentences import (
    HEARD,
    SKIPPED,
    WHAT,
    days_since,
    last_time,
    recently,
    times,
    usually,
)
from skipcast.clients.sentences import (
    Moment,
    Row,
    Say,
    context,
    context_switch,
    ended_before,
    lately,
    pause,
    position,
    same_track,
    share,
    shuffle,
    since_context_switch,
    since_full_listen,
    since_skip,
    so_far,
    started,
    started_before,
    time,
)

YOU = {"You": "You", "you": "you", "your": "your"}
LISTENER = {"You": "The listener", "you": "the listener", "your": "the listener's"}
MOST = 4  # sentences
LEAST = 0.05  # log-odds that a sentence must have moved: a bit more than one percent, at most

SENTENCES: dict[Say, tuple[str, ...]] = {
    started: ("started_by",),
    started_before: ("previous_started_by",),
    ended_before: ("previous_ended_by",),
    lately: (
        *("previous_skipped", "streak", "depth_1", "depth_2", "depth_3", "depth_4", "depth_5"),
        *("skip_rate_half_life_1", "skip_rate_half_life_2", "skip_rate_half_life_5"),
    ),
    so_far: ("skip_rate",),
    share("fwdbtn", "{{You}} pressed forward on {count} of the {plays} plays so far."): (
        "forward_rate",
    ),
    share("backbtn", "{{You}} pressed back on {count} of the {plays} plays so far."): (
        "back_rate",
    ),
    share("trackdone", "{count} of the {plays} plays so far ended by themselves."): ("done_rate",),
    since_skip: ("plays_since_skip",),
    since_full_listen: ("plays_since_full_listen",),
    pause: ("no_pause", "short_pause", "long_pause"),
    context: ("context_type",),
    context_switch: ("context_switch",),
    since_context_switch: ("plays_since_context_switch",),
    shuffle: ("shuffle", "shuffle_changed"),
    time: ("hour_sin", "hour_cos", "day_of_week"),
    position: ("position",),
    same_track: ("same_track_skipped",),
    usually: ("listener_skip_rate", "listener_full_listen_rate", "listener_log_plays"),
    recently("listener", ""): ("listener_recent_skip_rate", "listener_last_skipped"),
    days_since("listener", "something"): ("listener_log_days_since",),
    **{
        say: (f"{key}_{feature}",)
        for key, what in WHAT.items()
        for feature, say in {
            "skip_rate": times(key, "skips", SKIPPED),
            "log_plays": times(key, "skips", SKIPPED),
            "full_listen_rate": times(key, "full_listens", HEARD),
            "recent_skip_rate": recently(key, f" of {what}"),
            "last_skipped": last_time(key),
            "log_days_since": days_since(key, what),
        }.items()
    },
}
"""Each sentence, and the features that it puts into words."""
SENTENCE_OF = {feature: say for say, features in SENTENCES.items() for feature in features}


def explain(moment: Moment, contributions: pd.Series, *, you: bool) -> list[Row]:
    """Put the contributions that mattered most into words.

    Args:
        moment: of the play.
        contributions: log-odds by feature; a feature without a sentence is left out.
        you: whether the reader is the listener.

    Returns:
        At most `MOST` sentences, `text` and `log_odds`, those that moved most first.
    """
    sums: dict[str, float] = {}
    for feature, log_odds in contributions.items():
        say = SENTENCE_OF.get(str(feature))
        text = say and say(moment)
        if text:
            sums[text] = sums.get(text, 0.0) + float(log_odds)
    top = sorted(sums, key=lambda text: -abs(sums[text]))[:MOST]
    who = YOU if you else LISTENER
    return [
        {"text": _sentence(text.format(**who)), "log_odds": sums[text]}
        for text in top
        if abs(sums[text]) >= LEAST
    ]


def _sentence(text: str) -> str:
    return text[0].upper() + text[1:]
