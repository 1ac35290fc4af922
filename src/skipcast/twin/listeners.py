"""How the twin's listeners listen: hidden state, outcome and behaviour of each play.

A session has a hidden impatience and a hidden handedness (how often its listener picks tracks by
hand). A hidden mood moves slowly from play to play and starts anew when the context switches. These
three, how the play started, how far the play before got and the track's appeal add up to the
log-odds of skipping. One logistic draw against ordered thresholds then decides all four outcomes at
once, so that `skip_1` implies `skip_2`, `skip_2` implies `skip_3`, and `not_skipped` excludes
`skip_3`.

The depth of a play says how far it got: 0 with all three skips, 1 with `skip_2` and `skip_3`, 2
with `skip_3` alone, 3 with none of the four outcomes, 4 with `not_skipped`. It is -1 before the
first play.

`benchmarks/twin_calibrate.py` fitted the constants in `habits.json` to the published statistics in
`targets.json`.
"""

import json
from dataclasses import dataclass
from importlib.resources import files
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.special import expit, ndtri

from skipcast.arrays import Bools, Counts, Floats
from skipcast.twin.draws import even, even_in_groups, pick

LONGEST = 20  # plays of a session
CONTEXTS = (
    "catalog",
    "charts",
    "editorial_playlist",
    "personalized_playlist",
    "radio",
    "user_collection",
)
STARTS = (
    "fwdbtn",
    "trackdone",
    "clickrow",
    "backbtn",
    "appload",
    "playbtn",
    "remote",
    "trackerror",
)
ENDS = ("fwdbtn", "trackdone", "endplay", "backbtn", "logout", "remote")


@dataclass(frozen=True)
class Habits:
    """The fitted constants of all listeners.

    Effects are in log-odds of `skip_2`, standard deviations (sd) too; shares are 0..1 and sum to 1
    over the last axis.
    """

    intercept: Floats  # (20,) by position
    impatience_sd: float
    mood_sd: float
    mood_keep: float  # correlation of the mood of neighbouring plays, 0..1
    attention_sd: float  # of the part of the hidden state that lasts for one play
    handedness_sd: float
    appeal_sd: float
    depth_effect: Floats  # (5,) by depth of the play before
    start_effect: Floats  # (8,) by STARTS
    pause_effect: Floats  # (3,) none, short, long only
    switch_effect: float
    context_effect: Floats  # (6,) by CONTEXTS
    premium_effect: float
    shuffle_effect: float
    long_session_effect: float
    hour_effect: Floats  # (24,)
    thresholds: Floats  # (3,) of skip_1, skip_3 and not_skipped, relative to skip_2
    end_shares: Floats  # (5, 6) by depth, of ENDS
    first_start_shares: Floats  # (8,) of STARTS, at position 1
    start_shares: Floats  # (6, 8) by ENDS of the play before, of STARTS
    pause_shares: Floats  # (8, 2) by STARTS: short, long only; below 1 in sum
    pause_mood: float
    switch_shares: Floats  # (8,) by STARTS, each 0..1
    switch_to_other_context: float
    shuffle_shares: Floats  # (6,) by CONTEXTS, each 0..1
    shuffle_toggle: float
    lengths: Floats  # (11,) of 10..20 plays
    hours: Floats  # (24,) of 0..23
    contexts: Floats  # (6,) of CONTEXTS
    premium: float
    seek_shares: Floats  # (2, 2) any seek forward, any back; by not_skipped
    replay_share: float


def read_habits() -> Habits:
    """Read the fitted constants that the package ships."""
    text = files("skipcast.twin").joinpath("habits.json").read_text(encoding="utf-8")
    return habits_from(json.loads(text))


def habits_from(values: dict[str, Any]) -> Habits:
    """Make `Habits` of JSON values: every list becomes an array."""
    arrays: dict[str, Any] = {
        name: np.array(value) if isinstance(value, list) else value
        for name, value in values.items()
    }
    return Habits(**arrays)


@dataclass
class State:
    """The state of n sessions at the present position; each array has n elements.

    Attributes:
        length: plays of the session, 10..20.
        hour: of the day, 0..23.
        premium: whether the listener pays.
        impatience: hidden, log-odds, the same in all plays.
        handedness: hidden, log of how much likelier than others the listener picks tracks by hand.
        mood: hidden, log-odds, of the present play.
        context: index of CONTEXTS.
        group: number of the group within which draws are even.
        shuffle: whether shuffle is on.
        depth: how far the last play got, 0..4; -1 before the first.
        end: how the last play ended, index of ENDS; -1 before the first.
        tracks: numbers of the tracks of each position until now.
    """

    length: Counts
    hour: Counts
    premium: Bools
    impatience: Floats
    handedness: Floats
    mood: Floats
    context: Counts
    group: Counts
    shuffle: Bools
    depth: Counts
    end: Counts
    tracks: list[Counts]


def begin(n: int, habits: Habits, rng: np.random.Generator) -> State:
    """Draw the state of n sessions before the first play."""
    length = pick(even(rng, n), habits.lengths) + 10
    hour = pick(even(rng, n), habits.hours)
    context = pick(even(rng, n), habits.contexts)
    group = _small_groups(hour, context)
    return State(
        length=length,
        hour=hour,
        premium=even(rng, n) < habits.premium,
        impatience=habits.impatience_sd * ndtri(even_in_groups(group, rng.random(n), rng)),
        handedness=habits.handedness_sd * ndtri(even_in_groups(group, rng.random(n), rng)),
        mood=habits.mood_sd * ndtri(even_in_groups(group, rng.random(n), rng)),
        context=context,
        group=group,
        shuffle=rng.random(n) < habits.shuffle_shares[context],
        depth=np.full(n, -1),
        end=np.full(n, -1),
        tracks=[],
    )


def _small_groups(hour: Counts, context: Counts) -> Counts:
    """Return the group of each session: its context where that is rare, else its hour."""
    rare = np.isin(context, [CONTEXTS.index(name) for name in ("charts", "personalized_playlist")])
    return np.where(rare, 24 + context, hour)


@dataclass
class Start:
    """What is known of n plays when their tracks start, and their log-odds of a skip.

    Attributes:
        reason: how the track started, index of STARTS.
        switch: whether the context switched.
        pause: before the play: 0 none, 1 short, 2 long only; -1 at position 1.
        log_odds: of `skip_2`, without the intercept of the position.
    """

    reason: Counts
    switch: Bools
    pause: Counts
    log_odds: Floats


def start(
    state: State,
    draws: Counts,
    appeal: npt.NDArray[np.floating],
    habits: Habits,
    rng: np.random.Generator,
) -> Start:
    """Start the next track of n sessions; return what is known at its start.

    Args:
        state: after the play before. Its mood, context, shuffle and tracks are changed in place.
        draws: (n,) numbers of the tracks that come next unless the listener goes back.
        appeal: of each track, standard normal.
        habits: the constants.
        rng: of this chunk of sessions.
    """
    n = len(draws)
    if state.tracks:
        order = state.end + rng.random(n)
        reason = pick(even_in_groups(state.group, order, rng), habits.start_shares[state.end])
        switch = rng.random(n) < habits.switch_shares[reason]
        _move(state, switch, habits, rng)
        pause = _pauses(reason, state.mood, habits, rng)
    else:
        reason = pick(even(rng, n), habits.first_start_shares)
        switch, pause = np.zeros(n, dtype=bool), np.full(n, -1)
    state.tracks.append(_next_tracks(state.tracks, draws, reason, habits, rng))
    log_odds = _log_odds(state, reason, switch, pause, habits)
    log_odds += habits.attention_sd * ndtri(even_in_groups(state.group, log_odds, rng))
    log_odds -= habits.appeal_sd * appeal[state.tracks[-1]]
    return Start(reason, switch, pause, log_odds)


def _log_odds(state: State, reason: Counts, switch: Bools, pause: Counts, habits: Habits) -> Floats:
    """Add up the effects of the listener and of the start on the log-odds of `skip_2`."""
    first = state.depth < 0
    return np.asarray(
        state.impatience
        + state.mood
        + np.where(first, 0.0, habits.depth_effect[state.depth])
        + habits.start_effect[reason]
        + np.where(first, 0.0, habits.pause_effect[pause])
        + habits.switch_effect * switch
        + habits.context_effect[state.context]
        + habits.premium_effect * state.premium
        + habits.shuffle_effect * state.shuffle
        + habits.long_session_effect * (state.length == LONGEST)
        + habits.hour_effect[state.hour]
    )


def _move(state: State, switch: Bools, habits: Habits, rng: np.random.Generator) -> None:
    """Let the mood drift, or start anew where the context switches; toggle shuffle rarely."""
    n = len(switch)
    fresh = habits.mood_sd * ndtri(even_in_groups(state.group, state.mood, rng))
    keep = np.where(switch, 0.0, habits.mood_keep)
    state.mood = keep * state.mood + np.sqrt(1 - keep**2) * fresh
    other = switch & (rng.random(n) < habits.switch_to_other_context)
    state.context = np.where(other, pick(rng.random(n), habits.contexts), state.context)
    state.shuffle = state.shuffle ^ (rng.random(n) < habits.shuffle_toggle)


def _pauses(reason: Counts, mood: Floats, habits: Habits, rng: np.random.Generator) -> Counts:
    """Draw the pause before a play: 0 none, 1 short, 2 long only; the mood makes it short."""
    shares = habits.pause_shares[reason]
    odds = shares[:, 0] / (1 - shares[:, 0]) * np.exp(habits.pause_mood * mood)
    short = odds / (1 + odds)
    u = rng.random(len(reason))
    return np.where(u < short, 1, np.where(u > 1 - (1 - short) * shares[:, 1], 2, 0))


def _next_tracks(
    tracks: list[Counts], draws: Counts, reason: Counts, habits: Habits, rng: np.random.Generator
) -> Counts:
    """Return `draws`, or often the track before last where the listener pressed back."""
    if len(tracks) < 2:
        return draws
    again = (STARTS.index("backbtn") == reason) & (rng.random(len(draws)) < habits.replay_share)
    return np.where(again, tracks[-2], draws)


def end(state: State, log_odds: Floats, habits: Habits, rng: np.random.Generator) -> None:
    """Draw how far n plays get and how they end; changes `state` in place.

    Args:
        state: at the present play.
        log_odds: (n,) of `skip_2`, with the intercept of the position.
        habits: the constants.
        rng: of this chunk of sessions.
    """
    n = len(log_odds)
    noise = even_in_groups(state.group, log_odds, rng)
    skip_1, skip_3, not_skipped = (expit(log_odds + shift) for shift in habits.thresholds)
    state.depth = (
        (noise >= skip_1).astype(int)
        + (noise >= expit(log_odds))
        + (noise >= skip_3)
        + (noise >= not_skipped)
    )
    order = state.depth + rng.random(n)
    state.end = pick(even_in_groups(state.group, order, rng), _end_shares(state, habits))


def _end_shares(state: State, habits: Habits) -> Floats:
    """Return (n, 6) shares of ENDS; handedness makes another track, or going back, likelier."""
    shares = habits.end_shares[state.depth]
    by_hand = np.array([reason in ("endplay", "backbtn") for reason in ENDS])
    tilted = shares * np.where(by_hand, np.exp(state.handedness)[:, None], 1.0)
    return np.asarray(tilted / tilted.sum(axis=1, keepdims=True))
