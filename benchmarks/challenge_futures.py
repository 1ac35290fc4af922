"""Second halves of a twin's sessions, drawn by the generator's laws from what the first half tells.

For `challenge_optimum.py`, which says what it is good for.
"""

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from scipy.special import expit
from twin_optimum import MOOD_NODES, Filter, gauss, visible_part

from skipcast.arrays import Floats, Indices
from skipcast.schema import REASON_END, SHUFFLE
from skipcast.twin.catalogue import play_shares
from skipcast.twin.listeners import CONTEXTS, ENDS, LONGEST, STARTS, Habits

DRAWS = 600
HAND_NODES = 15
PLACES = LONGEST // 2
BACK = STARTS.index("backbtn")


@dataclass(frozen=True)
class Appeal:
    """What is known of the appeal of each play's track: a normal distribution, a value per play."""

    mean: Floats
    variance: Floats

    def of(self, rows: Indices) -> "Appeal":
        """Return that of some plays."""
        return Appeal(self.mean[rows], self.variance[rows])


class Halves:
    """Sessions of whole plays: the first halves with all that happened, the tracks of the second.

    Args:
        plays: columns `schema.LOG`, in order of session and position.
        appeal: of their tracks.
    """

    def __init__(self, plays: pd.DataFrame, appeal: Appeal) -> None:
        self.plays, self.appeal = plays, appeal
        self.first = np.flatnonzero(plays["session_position"].to_numpy() == 1)
        self.length = plays["session_length"].to_numpy()[self.first]
        self.half = self.length // 2
        self.last = self.first + self.half - 1  # the row of the last play of the first half
        self.track = track_numbers(plays)
        self.end = pd.Index(ENDS).get_indexer(plays[REASON_END].array)

    def moods(self, habits: Habits, depth: Indices, reason: Indices, visible: Floats) -> Filter:
        """Return the beliefs about impatience and mood after the first half."""
        variance = habits.appeal_sd**2 * self.appeal.variance.mean()
        state = Filter(
            replace(habits, attention_sd=np.sqrt(habits.attention_sd**2 + variance)),
            len(self.first),
        )
        state.beliefs *= (np.arange(2) == (self.length == LONGEST)[:, None])[:, None, None]
        state.beliefs /= state.beliefs.sum(axis=(1, 2, 3), keepdims=True)
        switched, is_short = (
            self.plays[name].to_numpy() for name in ("context_switch", "short_pause_before_play")
        )
        beliefs = state.beliefs.copy()
        for position in range(1, PLACES + 1):
            listens = self.half >= position
            rows = self.first[listens] + position - 1
            state.beliefs = beliefs[listens]
            if position > 1:
                state.move(switched[rows])
                state.see_pause(reason[rows], is_short[rows])
            state.see_depth(state.log_odds(visible[rows]), depth[rows])
            beliefs[listens] = state.beliefs
        state.beliefs = beliefs
        return state

    def hands(self, ends: Floats, weights: Floats, depth: Indices) -> Floats:
        """Return the beliefs about handedness after the first half: sessions x nodes.

        Args:
            ends: depths x nodes x ENDS, how plays end.
            weights: of the nodes.
            depth: of each play.
        """
        log = np.tile(np.log(weights), (len(self.first), 1))
        for position in range(1, PLACES + 1):
            listens = self.half >= position
            rows = self.first[listens] + position - 1
            log[listens] += np.log(ends[depth[rows], :, self.end[rows]])
        beliefs = np.exp(log - log.max(axis=1, keepdims=True))
        return np.asarray(beliefs / beliefs.sum(axis=1, keepdims=True))


def track_numbers(plays: pd.DataFrame) -> Indices:
    """Return the number of the track of each play in the catalogue."""
    numbers: Indices = plays["track_id_clean"].str.rsplit("-", n=1).str[-1].to_numpy(dtype=np.intp)
    return numbers


def ends_by_hand(habits: Habits, hands: Floats) -> Floats:
    """Return how plays end, by how far they got and by handedness: depths x hands x ENDS."""
    by_hand = np.array([reason in ("endplay", "backbtn") for reason in ENDS])
    tilt = np.where(by_hand, np.exp(hands)[:, None], 1.0)
    shares = habits.end_shares[:, None] * tilt
    return np.asarray(shares / shares.sum(axis=2, keepdims=True))


def pick(shares: Floats, rng: np.random.Generator) -> Indices:
    """Draw a number from the shares in the last axis, which need not sum to 1."""
    cumulative = shares.cumsum(axis=-1)
    u = rng.random((*cumulative.shape[:-1], 1)) * cumulative[..., -1:]
    return np.asarray((cumulative <= u).sum(axis=-1))


class Future:
    """Draws of what becomes of the second halves; arrays are sessions x draws.

    Attributes:
        log_weights: how well each draw explains the tracks.
    """

    def __init__(self, halves: Halves, habits: Habits, rng: np.random.Generator) -> None:
        self.halves, self.habits, self.rng = halves, habits, rng
        visible, depth, reason = visible_part(halves.plays, halves.appeal.mean, habits)
        state = halves.moods(habits, depth, reason, visible)
        nodes, weights = gauss(HAND_NODES)
        self.ends = ends_by_hand(habits, habits.handedness_sd * nodes)
        each = (len(halves.first), DRAWS)
        beliefs = state.beliefs.sum(axis=3).reshape(each[0], 1, -1)
        drawn = np.concatenate([pick(beliefs, rng) for _ in range(DRAWS)], axis=1)
        self.impatience = state.impatience[drawn // MOOD_NODES]
        self.mood = state.mood[drawn % MOOD_NODES]
        hands = halves.hands(self.ends, weights, depth)
        self.hand = pick(np.broadcast_to(hands[:, None], (*each, HAND_NODES)), rng)
        context = pd.Index(CONTEXTS).get_indexer(halves.plays["context_type"].array)
        shuffle = halves.plays[SHUFFLE].to_numpy(dtype=bool)
        self.depth, self.end, self.context, self.shuffle = (
            np.repeat(values[halves.last][:, None], DRAWS, axis=1)
            for values in (depth, halves.end, context, shuffle)
        )
        self.log_weights = np.zeros(each)
        self.popularity = play_shares()

    def listen(self) -> tuple[Floats, Floats]:
        """Draw all second halves.

        Returns:
            Of each session the mean outcome at each place, and that of the products of the outcomes
            at two places: sessions x places, and sessions x places x places.
        """
        halves = self.halves
        skipped = np.zeros((len(halves.first), PLACES, DRAWS), np.float32)
        for place in range(PLACES):
            live = np.flatnonzero(halves.half + place < halves.length)
            rows = halves.first[live] + halves.half[live] + place
            reason = self._start(live, rows)
            log_odds = self._move(live, reason) + self._known(live, rows)[:, None]
            self._end(live, log_odds, halves.appeal.variance[rows])
            skipped[live, place] = self.depth[live] <= 1
        weights = np.exp(self.log_weights - self.log_weights.max(axis=1, keepdims=True))
        weights /= weights.sum(axis=1, keepdims=True)
        weighted = skipped * weights[:, None]
        return weighted.sum(axis=2), np.asarray(weighted @ skipped.transpose(0, 2, 1))

    def _start(self, live: Indices, rows: Indices) -> Indices:
        """Draw how the tracks start, given which they are."""
        track = self.halves.track
        same, chance = track[rows] == track[rows - 2], self.popularity[track[rows]]
        replay = self.habits.replay_share
        fit = np.repeat(np.where(same, chance, 1.0)[:, None], len(STARTS), axis=1)
        fit[:, BACK] = (1 - replay) * fit[:, BACK] + replay * same
        shares = self.habits.start_shares[self.end[live]] * fit[:, None]
        self.log_weights[live] += np.log(shares.sum(axis=2))
        return pick(shares, self.rng)

    def _move(self, live: Indices, reason: Indices) -> Floats:
        """Move the hidden states to the next play; return their part of its log-odds."""
        habits, rng, each = self.habits, self.rng, reason.shape
        switch = rng.random(each) < habits.switch_shares[reason]
        keep = np.where(switch, 0.0, habits.mood_keep)
        fresh = habits.mood_sd * rng.standard_normal(each)
        self.mood[live] = keep * self.mood[live] + np.sqrt(1 - keep**2) * fresh
        other = switch & (rng.random(each) < habits.switch_to_other_context)
        contexts = pick(np.broadcast_to(habits.contexts, (*each, len(CONTEXTS))), rng)
        self.context[live] = np.where(other, contexts, self.context[live])
        self.shuffle[live] ^= rng.random(each) < habits.shuffle_toggle
        return np.asarray(
            self.impatience[live]
            + self.mood[live]
            + habits.depth_effect[self.depth[live]]
            + habits.start_effect[reason]
            + habits.pause_effect[self._pauses(live, reason)]
            + habits.switch_effect * switch
            + habits.context_effect[self.context[live]]
            + habits.shuffle_effect * self.shuffle[live]
        )

    def _pauses(self, live: Indices, reason: Indices) -> Indices:
        short, long = np.moveaxis(self.habits.pause_shares[reason], 2, 0)
        odds = short / (1 - short) * np.exp(self.habits.pause_mood * self.mood[live])
        short = odds / (1 + odds)
        return pick(np.stack([(1 - short) * (1 - long), short, (1 - short) * long], 2), self.rng)

    def _known(self, live: Indices, rows: Indices) -> Floats:
        """Return the part of the log-odds that is the same in all draws."""
        habits, halves = self.habits, self.halves
        premium, hour, position = (
            halves.plays[name].to_numpy()[rows]
            for name in ("premium", "hour_of_day", "session_position")
        )
        return np.asarray(
            habits.intercept[position - 1]
            + habits.premium_effect * premium
            + habits.hour_effect[hour]
            + habits.long_session_effect * (halves.length[live] == LONGEST)
            - habits.appeal_sd * halves.appeal.mean[rows]
        )

    def _end(self, live: Indices, log_odds: Floats, variance: Floats) -> None:
        """Draw how far the plays get and how they end."""
        habits, rng = self.habits, self.rng
        sd = np.sqrt(habits.attention_sd**2 + habits.appeal_sd**2 * variance)
        log_odds = log_odds + sd[:, None] * rng.standard_normal(log_odds.shape)
        first, third, full = habits.thresholds
        noise = rng.random(log_odds.shape)
        passed = [noise >= expit(log_odds + shift) for shift in (first, 0.0, third, full)]
        self.depth[live] = np.sum(passed, axis=0)
        self.end[live] = pick(self.ends[self.depth[live], self.hand[live]], rng)
