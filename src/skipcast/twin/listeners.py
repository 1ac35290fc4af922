"""How the twin's listeners listen: hidden state, outcome and behaviour of each play.

A session carries a hidden impatience and a hidden handedness (how often its listener picks tracks
by hand); a hidden mood moves slowly from play to play and starts anew when the context switches.
They, how the play started, how far the play before got and the track's appeal add up to the
log-odds of skipping; one logistic draw against ordered thresholds then decides all four outcomes at
once, so that `skip_1` implies `skip_2` implies `skip_3`, and `not_skipped` excludes `skip_3`.

The constants in `twin_habits.json` were fitted by `benchmarks/twin_calibrate.py` to the published
statistics in `twin_targets.json`.
"""

import json
from dataclasses import dataclass
from importlib.resources import files
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.special import expit, ndtri

from skipcast.arrays import Bools, Counts, Floats

Ints = Counts

POSITIONS = 20
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
    """The fitted constants. Effects are in log-odds of `skip_2`; shares are 0..1."""

    intercept: Floats  # (20,) by position
    impatience_sd: float
    mood_sd: float
    mood_keep: float  # correlation of the mood of neighbouring plays, 0..1
    attention_sd: float  # of the part of the hidden state that lasts one play
    handedness_sd: float
    appeal_sd: float
    depth_effect: Floats  # (5,) by the depth of the play before
    start_effect: Floats  # (8,) by STARTS
    pause_effect: Floats  # (3,) none, short, long only
    switch_effect: float
    context_effect: Floats  # (6,) by CONTEXTS
    premium_effect: float
    shuffle_effect: float
    long_session_effect: float
    hour_effect: Floats  # (24,)
    thresholds: Floats  # (3,) of skip_1, skip_3 and not_skipped, relative to skip_2
    end_shares: Floats  # (5, 6) by depth and ENDS
    first_start_shares: Floats  # (8,) at position 1
    start_shares: Floats  # (6, 8) by ENDS of the play before
    pause_shares: Floats  # (8, 2) by STARTS: short, long only
    pause_mood: float
    switch_shares: Floats  # (8,) by STARTS
    switch_to_other_context: float
    shuffle_shares: Floats  # (6,) by CONTEXTS
    shuffle_toggle: float
    lengths: Floats  # (11,) of 10..20
    hours: Floats  # (24,)
    contexts: Floats  # (6,) by CONTEXTS
    premium: float
    seek_shares: Floats  # (2, 2) any seek forward, back; by not_skipped
    replay_share: float


def read_habits() -> Habits:
    """Read the fitted constants that the package ships."""
    text = files("skipcast.twin").joinpath("habits.json").read_text(encoding="utf-8")
    return habits_from(json.loads(text))


def habits_from(values: dict[str, Any]) -> Habits:
    """Make `Habits` of plain JSON values: every list becomes an array."""
    arrays: dict[str, Any] = {
        name: np.array(value) if isinstance(value, list) else value
        for name, value in values.items()
    }
    return Habits(**arrays)


@dataclass
class State:
    """What is true of n sessions at the present position; each array has n elements."""

    length: Ints
    hour: Ints
    premium: Bools
    impatience: Floats
    handedness: Floats
    mood: Floats
    context: Ints
    group: Ints
    shuffle: Bools
    depth: Ints
    end: Ints
    tracks: list[Ints]


def even(rng: np.random.Generator, n: int) -> Floats:
    """Draw n numbers in 0..1, one in each n-th, in random order: shares come out exact.

    >>> sorted((even(np.random.default_rng(0), 4) * 4).astype(int).tolist())
    [0, 1, 2, 3]
    """
    return (rng.permutation(n) + rng.random(n)) / n


def pick(u: Floats, shares: Floats) -> Ints:
    """Turn numbers `u` in 0..1 into indices that occur with `shares` (n, k), or (k,) for all.

    >>> pick(np.array([0.1, 0.6]), np.array([0.5, 0.5])).tolist()
    [0, 1]
    """
    bounds = np.cumsum(shares, axis=-1)[..., :-1]
    if bounds.ndim == 1:
        return np.searchsorted(bounds, u, side="right")
    return np.asarray((u[:, None] >= bounds).sum(axis=1))


def begin(n: int, habits: Habits, rng: np.random.Generator) -> State:
    """Draw what n listeners bring to their sessions, before the first play."""
    length = pick(even(rng, n), habits.lengths) + 10
    hour = pick(even(rng, n), habits.hours)
    context = pick(even(rng, n), habits.contexts)
    group = _small_groups(hour, context)
    return State(
        length=length,
        hour=hour,
        premium=even(rng, n) < habits.premium,
        impatience=habits.impatience_sd * ndtri(spread(group, rng.random(n), rng)),
        handedness=habits.handedness_sd * ndtri(spread(group, rng.random(n), rng)),
        mood=habits.mood_sd * ndtri(spread(group, rng.random(n), rng)),
        context=context,
        group=group,
        shuffle=rng.random(n) < habits.shuffle_shares[context],
        depth=np.full(n, -1),
        end=np.full(n, -1),
        tracks=[],
    )


def _small_groups(hour: Ints, context: Ints) -> Ints:
    """Number the groups of sessions that are small: each rare context, else each hour."""
    rare = np.isin(context, [CONTEXTS.index(name) for name in ("charts", "personalized_playlist")])
    return np.where(rare, 24 + context, hour)


def spread(group: Ints, within: Floats, rng: np.random.Generator) -> Floats:
    """Draw a number in 0..1 per session, evenly within each `group` and along `within`.

    A low-discrepancy sequence with a random start. Independent draws would let the rates of small
    groups stray further than their tolerance at 10,000 sessions: an hour of the night has 76.

    >>> group, within = np.array([1, 1, 0, 0]), np.array([0.1, 0.2, 0.3, 0.4])
    >>> np.diff(spread(group, within, np.random.default_rng(0))[[0, 1]] < 0.5).tolist()
    [True]
    """
    drawn = np.empty(len(group))
    places = np.arange(len(group)) * 0.6180339887498949
    drawn[np.lexsort((within, group))] = (rng.random() + places) % 1
    return np.clip(drawn, 1e-9, 1 - 1e-9)


@dataclass
class Start:
    """What is known of n plays when their tracks start, and their log-odds without intercept."""

    reason: Ints
    switch: Bools
    pause: Ints  # 0 none, 1 short, 2 long only, -1 at position 1
    log_odds: Floats


def start(
    state: State,
    draws: Ints,
    appeal: npt.NDArray[np.floating],
    habits: Habits,
    rng: np.random.Generator,
) -> Start:
    """Start the next track of n sessions: moves `state` on and returns what shows at the start.

    Args:
        state: after the play before; its mood, context, shuffle and tracks change.
        draws: (n,) numbers of the tracks that come next unless the listener goes back.
        appeal: one per track, standard normal.
        habits: the constants.
        rng: of this chunk.
    """
    n = len(draws)
    if state.tracks:
        along = state.end + rng.random(n)
        reason = pick(spread(state.group, along, rng), habits.start_shares[state.end])
        switch = rng.random(n) < habits.switch_shares[reason]
        _move(state, switch, habits, rng)
        pause = _pauses(reason, state.mood, habits, rng)
    else:
        reason = pick(even(rng, n), habits.first_start_shares)
        switch, pause = np.zeros(n, dtype=bool), np.full(n, -1)
    state.tracks.append(_next_tracks(state.tracks, draws, reason, habits, rng))
    log_odds = _log_odds(state, reason, switch, pause, habits)
    log_odds += habits.attention_sd * ndtri(spread(state.group, log_odds, rng))
    log_odds -= habits.appeal_sd * appeal[state.tracks[-1]]
    return Start(reason, switch, pause, log_odds)


def _log_odds(state: State, reason: Ints, switch: Bools, pause: Ints, habits: Habits) -> Floats:
    """Add up what of the listener and of this start moves the log-odds of `skip_2`."""
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
        + habits.long_session_effect * (state.length == POSITIONS)
        + habits.hour_effect[state.hour]
    )


def _move(state: State, switch: Bools, habits: Habits, rng: np.random.Generator) -> None:
    """Let the mood drift, or start anew where the context switched; toggle shuffle rarely."""
    n = len(switch)
    fresh = habits.mood_sd * ndtri(spread(state.group, state.mood, rng))
    keep = np.where(switch, 0.0, habits.mood_keep)
    state.mood = keep * state.mood + np.sqrt(1 - keep**2) * fresh
    other = switch & (rng.random(n) < habits.switch_to_other_context)
    state.context = np.where(other, pick(rng.random(n), habits.contexts), state.context)
    state.shuffle = state.shuffle ^ (rng.random(n) < habits.shuffle_toggle)


def _pauses(reason: Ints, mood: Floats, habits: Habits, rng: np.random.Generator) -> Ints:
    """Draw 0 no pause, 1 a short one, 2 a long one only; short ones come with a restless mood."""
    shares = habits.pause_shares[reason]
    odds = shares[:, 0] / (1 - shares[:, 0]) * np.exp(habits.pause_mood * mood)
    short = odds / (1 + odds)
    u = rng.random(len(reason))
    return np.where(u < short, 1, np.where(u > 1 - (1 - short) * shares[:, 1], 2, 0))


def _next_tracks(
    tracks: list[Ints], draws: Ints, reason: Ints, habits: Habits, rng: np.random.Generator
) -> Ints:
    """Take `draws`, but often the track before last where the listener pressed back."""
    if len(tracks) < 2:
        return draws
    again = (STARTS.index("backbtn") == reason) & (rng.random(len(draws)) < habits.replay_share)
    return np.where(again, tracks[-2], draws)


def end(state: State, log_odds: Floats, habits: Habits, rng: np.random.Generator) -> None:
    """Draw how far the plays get and how they end, given their log-odds of `skip_2`."""
    n = len(log_odds)
    noise = spread(state.group, log_odds, rng)
    skip_1, skip_3, not_skipped = (expit(log_odds + shift) for shift in habits.thresholds)
    state.depth = (
        (noise >= skip_1).astype(int)
        + (noise >= expit(log_odds))
        + (noise >= skip_3)
        + (noise >= not_skipped)
    )
    along = state.depth + rng.random(n)
    state.end = pick(spread(state.group, along, rng), _end_shares(state, habits))


def _end_shares(state: State, habits: Habits) -> Floats:
    """Return (n, 6) shares of ENDS: handed listeners pick another track or go back more often."""
    shares = habits.end_shares[state.depth]
    by_hand = np.array([reason in ("endplay", "backbtn") for reason in ENDS])
    tilted = shares * np.where(by_hand, np.exp(state.handedness)[:, None], 1.0)
    return np.asarray(tilted / tilted.sum(axis=1, keepdims=True))
