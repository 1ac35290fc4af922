"""How well the outcomes of a twin can be predicted from all that can be seen of it.

Usage: `python benchmarks/twin_optimum.py [SEED ...] [--quick] [--write]`. A seed takes about half a
minute; no speed is measured.

The generator's true probabilities (`oracle.parquet`) contain what nobody can see: the listener's
impatience and mood, and the attention of the one play. The best prediction from what can be seen
is the mean of the true probability over these, given all earlier plays of the session. It is
computed here by the forward filter of the generator's own hidden Markov model: impatience (a grid
of Gauss-Hermite nodes), mood (an even grid, with the drift as a matrix), and whether the session
has the full 20 plays. Attention is integrated out. What the filter sees is what the horizon
`started` knows, and each track's appeal, which counts would tell after infinitely many plays.

The filter leaves out that draws are spread evenly within groups of sessions. Handedness and how a
play ended say nothing about the hidden states that move skips, given how far the play got.

Prints, for each twin, the accuracy and log loss of the filter, of the true probabilities, and of
"same as the last play", over the test sessions of the default split and over all. `--write` puts
the means of all sessions into src/skipcast/twin/limits.json, which the report and the card show.
"""

import json
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
from arguments import make_parser
from scipy.special import expit
from scipy.stats import norm
from twin_inputs import QUICK_SESSIONS

from skipcast.archive.sample import read_subset
from skipcast.arrays import Floats, Indices
from skipcast.evaluation.metrics import is_right, log_losses
from skipcast.params import read_params
from skipcast.schema import REASON_START, TARGET
from skipcast.split import split_sessions
from skipcast.twin.catalogue import make_catalogue
from skipcast.twin.listeners import CONTEXTS, LONGEST, STARTS, Habits, read_habits
from skipcast.twin.write import ORACLE, write_twin

LIMITS = Path(__file__).parents[1] / "src/skipcast/twin/limits.json"
SESSIONS, CHUNK = 10_000, 1_000
IMPATIENCE_NODES, MOOD_NODES, ATTENTION_NODES = 15, 41, 41
FAR = 4.0  # sd; where the grid of moods ends
TABLE = np.arange(-20, 20.001, 0.005)  # log-odds at which the mean over attention is computed


def gauss(nodes: int) -> tuple[Floats, Floats]:
    """Return places and weights for means over a standard normal variable."""
    places, weights = np.polynomial.hermite_e.hermegauss(nodes)
    return places, weights / weights.sum()


class Filter:
    """Beliefs about the hidden states of sessions, before and after each play.

    `beliefs` is sessions x impatience x mood x 2 (fewer plays than 20, or 20); each sums to 1.
    """

    def __init__(self, habits: Habits, sessions: int) -> None:
        self.habits = habits
        places, weights = gauss(IMPATIENCE_NODES)
        self.impatience = habits.impatience_sd * places
        grid = np.linspace(-FAR, FAR, MOOD_NODES)
        self.mood = habits.mood_sd * grid
        self.usual_mood = norm.pdf(grid) / norm.pdf(grid).sum()
        keep = habits.mood_keep
        drift = norm.pdf((grid[None] - keep * grid[:, None]) / np.sqrt(1 - keep**2))
        self.drift = drift / drift.sum(axis=1, keepdims=True)
        longest = np.array([habits.lengths[:-1].sum(), habits.lengths[-1]])
        start = weights[:, None, None] * self.usual_mood[:, None] * longest / longest.sum()
        self.beliefs = np.broadcast_to(start, (sessions, *start.shape)).copy()
        z, w = gauss(ATTENTION_NODES)
        self.skipped_at = expit(TABLE[:, None] + habits.attention_sd * z) @ w

    def move(self, switched: Indices) -> None:
        """Let the moods drift, or start anew where the context switched."""
        drifted = np.einsum("nimk,mj->nijk", self.beliefs, self.drift, optimize=True)
        anew = self.beliefs.sum(axis=2, keepdims=True) * self.usual_mood[:, None]
        self.beliefs = np.where(switched[:, None, None, None] == 1, anew, drifted)

    def see_pause(self, reason: Indices, is_short: Indices) -> None:
        """Learn from the pause before a play: a restless mood makes it short."""
        share = self.habits.pause_shares[reason, 0][:, None]
        odds = share / (1 - share) * np.exp(self.habits.pause_mood * self.mood)
        short = odds / (1 + odds)
        self._learn(np.where(is_short[:, None] == 1, short, 1 - short)[:, None, :, None])

    def see_that_it_goes_on(self, position: int) -> None:
        """Learn from there being another play, at this position, that the session is longer."""
        if position <= 10:
            return
        lengths = self.habits.lengths[:-1]  # of 10, ..., 19 plays
        longer = lengths[position - 10 :].sum() / lengths[position - 11 :].sum()
        self._learn(np.array([longer, 1.0]))

    def log_odds(self, visible: Floats) -> Floats:
        """Return the log-odds of a skip in each hidden state, from their visible part."""
        hidden = self.impatience[:, None, None] + self.mood[:, None]
        hidden = hidden + np.array([0.0, self.habits.long_session_effect])
        return visible[:, None, None, None] + hidden

    def probability(self, log_odds: Floats) -> Floats:
        """Return the probability of a skip of each session: the mean over its hidden states."""
        return (self.beliefs * self._mean_over_attention(log_odds)).sum(axis=(1, 2, 3))

    def see_depth(self, log_odds: Floats, depth: Indices) -> None:
        """Learn from how far a play got."""
        first, third, full = self.habits.thresholds
        bounds = (-np.inf, first, 0.0, third, full, np.inf)
        shifts = [np.take(bounds, depth + i)[:, None, None, None] for i in (0, 1)]
        below, above = (self._mean_over_attention(log_odds + shift) for shift in shifts)
        self._learn(above - below)

    def _mean_over_attention(self, log_odds: Floats) -> Floats:
        result: Floats = np.interp(log_odds, TABLE, self.skipped_at, left=0.0, right=1.0)
        return result

    def _learn(self, likelihood: Floats) -> None:
        self.beliefs = self.beliefs * likelihood
        self.beliefs /= self.beliefs.sum(axis=(1, 2, 3), keepdims=True)


def predict(plays: pd.DataFrame, appeal: Floats, habits: Habits) -> Floats:
    """Return the best prediction of each play.

    Args:
        plays: whole sessions in order of session and position, columns `schema.LOG`.
        appeal: of the track of each play, standard normal.
        habits: the generator's constants.
    """
    visible, depth, reason = visible_part(plays, appeal, habits)
    probability = np.empty(len(plays))
    first = np.flatnonzero(plays["session_position"].to_numpy() == 1)
    length = plays["session_length"].to_numpy()[first]
    switched, is_short = (
        plays[name].to_numpy() for name in ("context_switch", "short_pause_before_play")
    )
    state = Filter(habits, len(first))
    for position in range(1, LONGEST + 1):
        goes_on = length >= position
        first, length, state.beliefs = first[goes_on], length[goes_on], state.beliefs[goes_on]
        rows = first + position - 1
        state.see_that_it_goes_on(position)
        if position > 1:
            state.move(switched[rows])
            state.see_pause(reason[rows], is_short[rows])
        log_odds = state.log_odds(visible[rows])
        probability[rows] = state.probability(log_odds)
        state.see_depth(log_odds, depth[rows])
    return probability


def visible_part(
    plays: pd.DataFrame, appeal: Floats, habits: Habits
) -> tuple[Floats, Indices, Indices]:
    """Return what the visible columns add to the log-odds, the depths and the reasons to start."""
    position = plays["session_position"].to_numpy()
    depth = (3 + plays["not_skipped"].astype(int)).to_numpy()
    depth = depth - plays[["skip_1", "skip_2", "skip_3"]].to_numpy().sum(axis=1)
    reason = pd.Index(STARTS).get_indexer(plays[REASON_START].array)
    context = pd.Index(CONTEXTS).get_indexer(plays["context_type"].array)
    flags = ["short_pause_before_play", "long_pause_before_play"]
    short, long = (plays[name].to_numpy() == 1 for name in flags)
    pause = np.where(short, 1, np.where(long, 2, 0))
    before = np.append(0, depth[:-1])  # of other sessions at position 1, which does not read it
    later = habits.depth_effect[before] + habits.pause_effect[pause]
    return (
        habits.intercept[position - 1]
        + np.where(position > 1, later, 0.0)
        + habits.start_effect[reason]
        + habits.switch_effect * plays["context_switch"].to_numpy()
        + habits.context_effect[context]
        + habits.premium_effect * plays["premium"].to_numpy()
        + habits.shuffle_effect * plays["hist_user_behavior_is_shuffle"].to_numpy()
        + habits.hour_effect[plays["hour_of_day"].to_numpy()]
        - habits.appeal_sd * appeal
    ), depth, reason  # fmt: skip


def measure(seed: int, sessions: int) -> pd.DataFrame:
    """Make a twin and score the three ways to predict it, by part of its sessions."""
    with tempfile.TemporaryDirectory() as folder:
        write_twin(Path(folder, "twin"), sessions=sessions, seed=seed)
        plays, _ = read_subset(Path(folder, "twin"), None, rows=10**9, seed=0)
        keys = ["session_id", "session_position"]
        oracle = plays[keys].merge(pd.read_parquet(Path(folder, "twin", ORACLE)), on=keys)
    seeds = np.random.SeedSequence(seed).spawn(3)
    appeal = make_catalogue(np.random.default_rng(seeds[0])).appeal.astype(np.float64)
    track = plays["track_id_clean"].str.rsplit("-", n=1).str[-1].astype(int).to_numpy()
    habits, number = read_habits(), pd.factorize(plays["session_id"])[0]
    best = np.concatenate(
        [
            predict(plays[rows], appeal[track[rows]], habits)
            for first in range(0, number[-1] + 1, CHUNK)
            for rows in [(number >= first) & (number < first + CHUNK)]
        ]
    )
    truth = plays[TARGET].to_numpy(dtype=bool)
    last = np.where(plays["session_position"] > 1, np.append(0, truth[:-1]), truth.mean())
    ways = {"best that can be seen": best, "true probabilities": oracle["probability"].to_numpy()}
    test = split_sessions(plays, read_params().split) == "test"
    rows = {}
    for way, probability in {**ways, "same as the last play": last}.items():
        right, loss = is_right(truth, probability), log_losses(truth, probability)
        rows[way] = {
            "test accuracy": right[test].mean(),
            "test log loss": loss[test].mean() if way in ways else np.nan,
            "accuracy": right.mean(),
            "log_loss": loss.mean() if way in ways else np.nan,
        }
    return pd.DataFrame(rows).T


def main() -> None:
    """Print the scores of each seed, and write their means."""
    parser = make_parser(__doc__)
    parser.add_argument("seeds", nargs="*", type=int, help="0 to 4, if left out")
    parser.add_argument("--quick", action="store_true", help="one seed of few sessions")
    parser.add_argument("--write", action="store_true", help="write limits.json")
    options = parser.parse_args()
    sessions, seeds = SESSIONS, options.seeds or [0, 1, 2, 3, 4]
    if options.quick:
        sessions, seeds = QUICK_SESSIONS, seeds[:1]
    tables = {}
    for seed in seeds:
        tables[seed] = measure(seed, sessions)
        print(f"seed {seed}\n{tables[seed].round(4).to_string()}\n", flush=True)
    mean = pd.concat(tables).groupby(level=1, sort=False).mean()
    print(f"mean\n{mean.round(4).to_string()}")
    if options.write:
        content = {
            way: mean.loc[way, ["accuracy", "log_loss"]].round(4).to_dict()
            for way in ("best that can be seen", "true probabilities")
        }
        LIMITS.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
