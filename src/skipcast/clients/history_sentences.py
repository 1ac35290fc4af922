"""Sentences about what the listener did in earlier sessions; as those of `sentences`."""

from skipcast.clients.sentences import Moment, Say

WHAT = {"listener_track": "this track", "listener_artist": "this artist"}
SKIPPED = "{{You}} skipped {what} {times} before.", "{{You}} kept {what} {times} before."
HEARD = "{{You}} heard {what} to its end {times} before.", "{{You}} never heard {what} to its end."
"""Of one outcome or more, and of none."""


def times(key: str, outcome: str, texts: tuple[str, str]) -> Say:
    """Return what says how often plays of a listener's track or artist had an outcome.

    Args:
        key: of `schema.LISTENER_KEYS`.
        outcome: skips or full_listens.
        texts: where some plays had it, and where none had.
    """

    def say(moment: Moment) -> str | None:
        plays, count = (moment.play.get(f"{key}_{name}") for name in ("plays", outcome))
        if plays is None or count is None:
            return None
        if not plays:
            return f"{WHAT[key].capitalize()} was new to {{you}}."
        some, none = texts
        every = "the one time" if plays == 1 else f"all {plays:,.0f} times"
        part = f"{count:,.0f} of {plays:,.0f} times"
        is_part = 0 < count < plays
        return (some if count else none).format(what=WHAT[key], times=part if is_part else every)

    return say


def usually(moment: Moment) -> str | None:
    """How many of all plays the listener skipped."""
    plays, skips = (moment.play.get(f"listener_{name}") for name in ("plays", "skips"))
    return f"{{You}} skipped {_percent(skips / plays)} of all plays until then." if plays else None


def recently(key: str, of: str) -> Say:
    """Return what says how much of a key was skipped in its latest plays."""

    def say(moment: Moment) -> str | None:
        rate = moment.play.get(f"{key}_recent_skip_rate")
        if rate is None:
            return None
        return f"In the sessions before, {{you}} skipped {_percent(rate)} of the latest plays{of}."

    return say


def last_time(key: str) -> Say:
    """Return what says whether the last play of a track or artist was skipped."""

    def say(moment: Moment) -> str | None:
        was_skipped = moment.play.get(f"{key}_last_skipped")
        if was_skipped is None:
            return None
        return f"{{You}} {'skipped' if was_skipped else 'kept'} {WHAT[key]} the last time."

    return say


def days_since(key: str, what: str) -> Say:
    """Return what says how long ago the last play of a key was."""

    def say(moment: Moment) -> str | None:
        then, now = moment.play.get(f"{key}_last_at"), moment.play.get("started_at")
        if then is None or now is None:
            return None
        days = max(0, now - then) / 86_400
        ago = "less than a day" if days < 1 else "a day" if days < 1.5 else f"{days:,.0f} days"
        return f"{{You}} had played {what} {ago} before."

    return say


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %"
