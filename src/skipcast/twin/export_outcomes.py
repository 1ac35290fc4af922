"""How the plays of the synthetic exports start and end.

A listener has a usual impatience, and dislikes tracks and artists more or less. A session has a
mood, which moves slowly from play to play. These, how the play started and how the last one ended
add up to the log-odds of ending a play within 30 s; a logistic draw above 0 does so, and one above
a lower threshold ends it later by hand. Reasons follow each other as published.
"""

from dataclasses import dataclass

import numpy as np
from scipy.special import logit

from skipcast.arrays import Counts, Floats
from skipcast.twin.export_people import DAY, YEAR, People, Sessions
from skipcast.twin.export_reasons import (
    BRIEF,
    CUT,
    DONE,
    LATE,
    NONE,
    Habits,
    by_start,
    end_table,
    pick,
    start_table_within,
)
from skipcast.twin.export_tracks import Tracks, new_to_listener, taste

LONG = 0.45  # rank of sessions of 11 plays, in standard deviations; above, more is skipped
LAST_EARLY = 5  # index of the first position that is like all later ones
FIRST = CUT  # stands for the depth of the last play where there is none that counts


@dataclass(frozen=True)
class Outcomes:
    """How n plays went; each array has n elements.

    Attributes:
        start: index of STARTS.
        depth: BRIEF, LATE, DONE or CUT.
        end: index of ENDS.
    """

    start: Counts
    depth: Counts
    end: Counts


@dataclass(frozen=True)
class Base:
    """What does not depend on the plays before, in log-odds; each array has n elements.

    Attributes:
        brief: of BRIEF, with the noise of the play.
        late: what is added for LATE; below 0 counts as 0.
    """

    brief: Floats
    late: Floats


def draw_base(
    people: People, sessions: Sessions, tracks: Tracks, habits: Habits, rng: np.random.Generator
) -> Base:
    """Add up what the listeners, their sessions, tracks and artists do to each play."""
    years = np.repeat(sessions.wanted, sessions.length) / YEAR
    u = np.clip(rng.random(len(years)), 1e-9, 1 - 1e-9)
    brief, late = (
        np.repeat(of_sessions(people, sessions, habits, x, rng), sessions.length)
        + habits[x]["artist_sd"] * taste(tracks.artist, years, habits["turns_a_year"], rng)
        + habits[x]["track_sd"] * taste(tracks.track, years, habits["turns_a_year"], rng)
        for x in ("brief", "late")
    )
    noise = habits["late_noise_sd"] * rng.normal(size=len(u))
    late += habits["late_new"] * new_to_listener(tracks.track)
    return Base(brief + logit(u), late + noise)


def of_sessions(
    people: People, sessions: Sessions, habits: Habits, name: str, rng: np.random.Generator
) -> Floats:
    """Return what each session adds to the log-odds of `name`, "brief" or "late"."""
    listener, own = sessions.listener, habits[name]
    trait = people.impatience if name == "brief" else people.lateness
    hour = sessions.wanted % DAY / 3600
    return np.asarray(
        own["intercept"]
        + own["listener_sd"] * trait[listener]
        + own["phase_sd"] * phases(people, sessions, rng)
        + own["session_sd"] * rng.normal(size=len(listener))
        + own["long_effect"] * np.maximum(sessions.restless - LONG, 0)
        + own["shuffle_effect"] * sessions.shuffle
        + own["hour_effect"] * np.sin(2 * np.pi * (hour / 24 + listener * 0.37))
    )


def phases(people: People, sessions: Sessions, rng: np.random.Generator) -> Floats:
    """Return waves of a month to two years, of each listener other ones: about standard normal."""
    n = len(people.plays)
    days = np.exp(rng.uniform(np.log(30), np.log(730), size=(3, n)))
    shift = rng.uniform(0, 2 * np.pi, size=(3, n))
    of = sessions.listener
    angle = 2 * np.pi * sessions.wanted / DAY / days[:, of] + shift[:, of]
    return np.asarray(np.sqrt(2 / 3) * np.sin(angle).sum(axis=0))


@dataclass
class State:
    """The sessions, the longest first, and where they are; each array has an element for each.

    Attributes:
        first: index of the first play.
        length: plays.
        listener: index into People.
        begin: index of STARTS of the first play.
        follows: the same of the next session; NONE after the last one.
        end: index of ENDS of the last play.
        depth: of the last play that counts; FIRST if there is none.
        mood: log-odds.
    """

    first: Counts
    length: Counts
    listener: Counts
    begin: Counts
    follows: Counts
    end: Counts
    depth: Counts
    mood: Floats

    @classmethod
    def of(cls, sessions: Sessions, table: "Table", rng: np.random.Generator) -> "State":
        """Begin all sessions."""
        n, order = len(sessions.length), np.argsort(-sessions.length, kind="stable")
        begin = pick(table.begins, rng.random(n))
        last = np.diff(sessions.listener, append=-1) != 0
        follows = np.where(last, NONE, np.append(begin[1:], NONE))
        return cls(
            sessions.first[order],
            sessions.length[order],
            sessions.listener[order],
            begin[order],
            follows[order],
            np.zeros(n, dtype=int),
            np.full(n, FIRST),
            table.mood_sd * rng.normal(size=n),
        )


def draw_outcomes(
    people: People, sessions: Sessions, base: Base, habits: Habits, rng: np.random.Generator
) -> Outcomes:
    """Play all sessions side by side, from position to position.

    Args:
        people: all listeners.
        sessions: of some of them.
        base: of their plays.
        habits: the constants.
        rng: of these plays alone.
    """
    n, table = len(base.brief), Table.of(habits)
    state = State.of(sessions, table, rng)
    draws = Draws.of(n, rng)
    result = Outcomes(*np.zeros((3, n), dtype=np.int64))
    for position in range(int(sessions.length.max())):
        on = slice(0, int(np.searchsorted(-state.length, -position, side="left")))
        i = state.first[on] + position
        start = pick(table.starts[state.end[on]], draws.start[i]) if position else state.begin[on]
        follows = np.where(state.length[on] == position + 1, state.follows[on], NONE)
        mood = table.mood_keep * state.mood[on] + table.mood_new * draws.mood[i]
        brief, late = table.log_odds(position, state.depth[on], start, follows)
        skip = base.brief[i] + mood + brief
        depth = np.where(skip > -np.maximum(base.late[i] + late, 0), LATE, DONE)
        cut = draws.cut[i] < table.cut[start, follows] * people.cutting[state.listener[on]]
        depth = np.where(cut, CUT, np.where(skip > 0, BRIEF, depth))
        end = pick(table.ends[depth, start, follows], draws.end[i])
        result.start[i], result.depth[i], result.end[i] = start, depth, end
        state.end[on], state.mood[on] = end, mood
        state.depth[on] = np.where(cut, state.depth[on], depth)
    return result


@dataclass(frozen=True)
class Draws:
    """Random numbers of n plays: in 0..1, and `mood` standard normal."""

    start: Floats
    end: Floats
    cut: Floats
    mood: Floats

    @classmethod
    def of(cls, n: int, rng: np.random.Generator) -> "Draws":
        """Draw them."""
        return cls(rng.random(n), rng.random(n), rng.random(n), rng.normal(size=n))


@dataclass(frozen=True)
class Table:
    """What `draw_outcomes` looks up, by indices of STARTS, ENDS and depths."""

    mood_sd: float
    mood_keep: float
    mood_new: float
    early_effect: Floats  # (6,) by position; the last holds on
    depth_effect: Floats  # (4,)
    start_effect: Floats  # (9,)
    late_depth: Floats  # (4,)
    late_start: Floats  # (9,)
    late_early: Floats  # (6,) by position; the last holds on
    late_break: Floats  # (10,) by the start after the break
    cut: Floats  # (9, 10) by start and the start after the break
    begins: Floats  # (9,) cumulated, of the first plays of sessions
    starts: Floats  # (11, 9) cumulated
    ends: Floats  # (4, 9, 10, 11) cumulated

    def log_odds(
        self, position: int, last: Counts, start: Counts, follows: Counts
    ) -> tuple[Floats, Floats]:
        """Return what is added to BRIEF for what is known at the start, and then to LATE.

        Args:
            position: counted from 0.
            last: depths of the last plays that count.
            start: indices of STARTS.
            follows: the same of the next session, or NONE.
        """
        early = min(position, LAST_EARLY)
        brief = self.early_effect[early] + self.depth_effect[last] + self.start_effect[start]
        late = self.late_early[early] + self.late_depth[last] + self.late_start[start]
        return brief, late + self.late_break[follows]

    @classmethod
    def of(cls, habits: Habits) -> "Table":
        """Make the tables of the constants and of what is published."""
        mood_sd, keep = habits["mood_sd"], habits["mood_keep"]
        cut = np.repeat(by_start(habits["cut"])[:, None], NONE + 1, axis=1)
        cut[:, :NONE] = by_start(habits["cut_before_break"])
        return cls(
            mood_sd=mood_sd,
            mood_keep=keep,
            mood_new=mood_sd * float(np.sqrt(1 - keep**2)),
            early_effect=np.array(habits["early_effect"]),
            depth_effect=np.array(habits["depth_effect"]),
            start_effect=by_start(habits["start_effect"]),
            late_depth=np.array(habits["late_depth"]),
            late_start=by_start(habits["late_start"]),
            late_early=np.array(habits["late_early"]),
            late_break=np.append(by_start(habits["late_before_break"]), 0.0),
            cut=cut,
            begins=np.cumsum(by_start(habits["first_start"])),
            starts=start_table_within(),
            ends=end_table(np.array(habits["late_tilt"])),
        )
