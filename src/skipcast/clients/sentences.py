"""Sentences about a play: each says one thing that was known when it started.

They are in the past tense, with {You}, {you} and {your} for the listener.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from typing import Any

from skipcast.schema import REASON_END, REASON_START, SHUFFLE, TARGET

LATELY = 5  # plays
DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")

Row = dict[str, Any]


@dataclass(frozen=True)
class Moment:
    """A play at its start, and the plays of its session before it, the oldest first.

    Values are those of `schema.INPUTS`, None where not given.
    """

    play: Row
    past: list[Row]

    @cached_property
    def outcomes(self) -> list[bool]:
        """Whether each play before was skipped; without those of which that is not known."""
        return [bool(row[TARGET]) for row in self.past if row.get(TARGET) is not None]

    @cached_property
    def ends(self) -> list[str]:
        """What ended each play before, where it is known."""
        return [row[REASON_END] for row in self.past if row.get(REASON_END)]


Say = Callable[[Moment], str | None]
"""Returns a sentence, or None where what it would say is not known."""

STARTED = {
    "trackdone": "It started because the play before ended by itself.",
    "fwdbtn": "{You} pressed forward to get to it.",
    "backbtn": "{You} pressed back to get to it.",
    "clickrow": "{You} chose this track.",
    "playbtn": "{You} pressed play.",
    "appload": "It started with the app.",
    "remote": "{You} started it from another device.",
    "trackerror": "It started because the track before could not be played.",
    "endplay": "It started because {you} ended the play before.",
}
STARTED_BEFORE = {
    "trackdone": "The play before had started by itself.",
    "fwdbtn": "{You} had pressed forward to get to the play before.",
    "backbtn": "{You} had pressed back to get to the play before.",
    "clickrow": "{You} had chosen the play before.",
}
ENDED = {
    "trackdone": "The play before ended by itself.",
    "fwdbtn": "{You} pressed forward on the play before.",
    "backbtn": "{You} pressed back on the play before.",
    "clickrow": "{You} left the play before for another track.",
    "endplay": "{You} ended the play before.",
    "logout": "The app was closed in the play before.",
    "remote": "Another device took over the play before.",
    "trackerror": "The track before could not be played.",
}
IN_A_ROW = {
    "trackdone": "The last {count} plays ended by themselves.",
    "fwdbtn": "{{You}} pressed forward on the last {count} plays.",
    "backbtn": "{{You}} pressed back on the last {count} plays.",
}
FROM = {
    "personalized_playlist": "a playlist made for {you}",
    "catalog": "an album or the page of an artist",
    "editorial_playlist": "a playlist of editors",
    "radio": "a radio",
    "user_collection": "{your} own collection",
    "charts": "the charts",
}


def started(moment: Moment) -> str | None:
    """What started the play."""
    return STARTED.get(str(moment.play.get(REASON_START)))


def started_before(moment: Moment) -> str | None:
    """What started the last play."""
    return STARTED_BEFORE.get(str(moment.past[-1].get(REASON_START))) if moment.past else None


def ended_before(moment: Moment) -> str | None:
    """What ended the last plays."""
    if not moment.ends or not moment.past[-1].get(REASON_END):
        return None
    last = moment.ends[-1]
    count = _run(moment.ends)
    if count > 1 and last in IN_A_ROW:
        return IN_A_ROW[last].format(count=count)
    return ENDED.get(last)


def lately(moment: Moment) -> str | None:
    """How many of the last plays were skipped."""
    outcomes = moment.outcomes
    if not outcomes:
        return None
    count, last = _run(outcomes), outcomes[-LATELY:]
    if count == 1 == len(outcomes):
        return f"{{You}} {'skipped' if last[-1] else 'kept'} the play before."
    if count == len(outcomes) or count >= LATELY:
        return f"{{You}} {'skipped' if last[-1] else 'kept'} the last {count} plays."
    return f"{{You}} skipped {sum(last)} of the last {len(last)} plays."


def so_far(moment: Moment) -> str | None:
    """How many plays of the session were skipped."""
    skips, plays = sum(moment.outcomes), len(moment.outcomes)
    if plays < 2:
        return None
    return f"{{You}} skipped {skips or 'none'} of the {plays} plays of this session so far."


def share(reason: str, text: str) -> Say:
    """Return what says how many plays of the session ended by a reason."""

    def say(moment: Moment) -> str | None:
        plays = len(moment.ends)
        if plays < 2:
            return None
        return text.format(count=moment.ends.count(reason) or "none", plays=plays)

    return say


def since_skip(moment: Moment) -> str | None:
    """How long ago the last skip was."""
    return _since(
        [row.get(TARGET) for row in moment.past],
        "{You} skipped the play before.",
        "{You} skipped a play %d plays before.",
        "{You} skipped nothing in this session so far.",
    )


def since_full_listen(moment: Moment) -> str | None:
    """How long ago a play was heard to its end."""
    return _since(
        [row.get("not_skipped") for row in moment.past],
        "{You} heard the play before to its end.",
        "{You} heard a play to its end %d plays before.",
        "{You} heard no play of this session to its end so far.",
    )


def pause(moment: Moment) -> str | None:
    """Whether there was a pause."""
    texts = {
        "no_pause_before_play": "It followed without a pause.",
        "short_pause_before_play": "There was a short pause before it.",
        "long_pause_before_play": "There was a long pause before it.",
    }
    return next((text for name, text in texts.items() if moment.play.get(name)), None)


def context(moment: Moment) -> str | None:
    """What list was played."""
    place = FROM.get(str(moment.play.get("context_type")))
    return place and f"It came from {place}."


def context_switch(moment: Moment) -> str | None:
    """Whether the list was changed."""
    return "{You} changed the list just before." if moment.play.get("context_switch") else None


def since_context_switch(moment: Moment) -> str | None:
    """How long ago the list was changed, before this play."""
    return _since(
        [row.get("context_switch") for row in moment.past],
        "{You} changed the list one play before.",
        "{You} changed the list %d plays before.",
        "{You} did not change the list in this session so far.",
    )


def shuffle(moment: Moment) -> str | None:
    """Whether tracks came in random order."""
    value = moment.play.get(SHUFFLE)
    if value is None:
        return None
    return f"Shuffle was {'on' if value else 'off'}."


def time(moment: Moment) -> str | None:
    """The local time."""
    day, hour = moment.play.get("date"), moment.play.get("hour_of_day")
    parts = [DAYS[date.fromisoformat(day).weekday()]] if day else []
    parts += [f"{hour:.0f} o'clock"] if hour is not None else []
    return f"It was {', '.join(parts)}." if parts else None


def position(moment: Moment) -> str | None:
    """The place in the session."""
    place = len(moment.past) + 1
    return (
        f"It was play {place} of the session." if place > 1 else "It was the session's first play."
    )


def same_track(moment: Moment) -> str | None:
    """What became of the same track in this session."""
    track = moment.play["track_id_clean"]
    same = [row.get(TARGET) for row in moment.past if row["track_id_clean"] == track]
    if not same or same[-1] is None:
        return None
    return f"{{You}} {'skipped' if same[-1] else 'kept'} this track earlier in this session."


def _run(values: list[Any]) -> int:
    """Return how many values at the end are the same."""
    count = 0
    for value in reversed(values):
        if value != values[-1]:
            break
        count += 1
    return count


def _since(happened: list[Any], last: str, earlier: str, never: str) -> str | None:
    """Say how many plays before something happened; None where nothing is known of any."""
    if all(value is None for value in happened):
        return None
    plays = next((ago for ago, value in enumerate(reversed(happened), 1) if value), None)
    if plays is None:
        return never
    return last if plays == 1 else earlier % plays
