"""How well the second halves of a twin's sessions can be predicted from what the challenge tells.

Usage: `python benchmarks/challenge_optimum.py [SEED ...] [--sessions N] [--quick]`. A seed takes
about two minutes; no speed is measured.

The best prediction knows the generator and sees what `second_half` may see. The first half goes
through the filter of `twin_optimum.py`; the ends of its plays tell how often the listener picks by
hand. From there, the generator's own laws draw many second halves of each session, weighted by how
well they explain its tracks (a track that comes again says that back was pressed). The mean over
the draws is the best probability of each play, their products say which outcomes go together.

A track's appeal is hidden. It is taken as known, which counts would tell after infinitely many
plays; or as estimated from the track's features and counts, by a LightGBM that learned the true
appeal of other tracks; or as unknown. The second is what a model of this many plays could know.

Prints MAA and FPA over test sessions, with a threshold of .5 for each play and with the answers
that maximise the expected average accuracy of the session.
"""

import tempfile
from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd
from arguments import make_parser
from challenge_futures import PLACES, Appeal, Future, Halves, track_numbers
from lightgbm import LGBMRegressor
from twin_inputs import QUICK_SESSIONS, make_twin

from skipcast.arrays import Bools, Floats
from skipcast.evaluation.bootstrap import paired_difference
from skipcast.evaluation.challenge import average_accuracy, first_accuracy
from skipcast.features.build import build_features
from skipcast.params import read_params
from skipcast.schema import TARGET
from skipcast.split import split_sessions
from skipcast.twin.catalogue import make_catalogue
from skipcast.twin.listeners import Habits, read_habits

SESSIONS, CHUNK = 20_000, 500
LEARNER = {"n_estimators": 100, "num_leaves": 15, "min_child_samples": 200, "n_jobs": 1}


def best_answers(mean: Floats, products: Floats) -> Floats:
    """Return the answers, 0 or 1, with the highest expected average accuracy: sessions x places.

    Args:
        mean: outcomes at each place, sessions x places.
        products: means of products of two outcomes, sessions x places x places.
    """
    places = mean.shape[1]
    answers = np.array([*product([0.0, 1.0], repeat=places)])
    # An answer is right where base + sign x outcome is 1.
    base, sign = 1 - answers, 2 * answers - 1
    weight = np.tril(np.ones((places, places)) / np.arange(1, places + 1)[:, None])
    both, own = np.tril(weight, -1), weight.diagonal()
    expected = (base * own).sum(axis=1) + ((base @ both) * base).sum(axis=1)
    linear = sign * (own + base @ both + base @ both.T)
    scores = expected[:, None] + linear @ mean.T
    for one, other in zip(*np.nonzero(both), strict=True):
        pair = sign[:, one] * sign[:, other] * both[one, other]
        scores += np.outer(pair, products[:, one, other])
    return np.asarray(answers[scores.argmax(axis=0)])


def right_of(halves: Halves, answers: Floats) -> tuple[Floats, Floats]:
    """Return the average accuracy and the first accuracy of each session."""
    places = halves.length - halves.half
    session = np.repeat(np.arange(len(places)), places)
    place = np.arange(len(session)) - np.repeat(np.cumsum(places) - places, places)
    rows = (halves.last + 1)[session] + place
    right = halves.plays[TARGET].to_numpy(dtype=bool)[rows] == (answers[session, place] > 0)
    return average_accuracy(right, session), first_accuracy(right, session)


def predict(halves: Halves, habits: Habits, seed: int) -> dict[str, Floats]:
    """Return the answers of each rule: sessions x places, 0 or 1."""
    mean, products = Future(halves, habits, np.random.default_rng(seed)).listen()
    together = np.zeros_like(mean)
    for places in np.unique(halves.length - halves.half):
        rows = np.flatnonzero(halves.length - halves.half == places)
        of_size = products[rows, :places, :places]
        together[rows, :places] = best_answers(mean[rows, :places], of_size)
    last = halves.plays[TARGET].to_numpy(dtype=np.float64)[halves.last]
    return {
        "last outcome for all": np.repeat(last[:, None], PLACES, axis=1),
        "each play": (mean >= 0.5).astype(np.float64),
        "together": together,
    }


def estimated(plays: pd.DataFrame, appeal: Floats, is_train: Bools) -> Appeal:
    """Estimate the appeal of tracks from their features and counts, each by other tracks.

    The variance of what is left is by how often the track was counted.
    """
    known = build_features(plays, "second_half", ("track", "track_history")).to_numpy()
    odd = track_numbers(plays) % 2 == 1
    mean = np.empty(len(plays))
    for fold in (odd, ~odd):
        learner = LGBMRegressor(**LEARNER, verbose=-1, random_state=0)
        rows = is_train & ~fold
        mean[fold] = learner.fit(known[rows], appeal[rows]).predict(known[fold])
    often = np.log2(1 + plays["track_plays"].to_numpy()).round().astype(int)
    left = pd.Series((appeal - mean) ** 2).groupby(often).transform("mean")
    return Appeal(mean, left.to_numpy())


def measure(seed: int, sessions: int) -> dict[str, dict[str, tuple[Floats, Floats]]]:
    """Make a twin; return by what is known of appeal, and by rule, the scores of each session."""
    with tempfile.TemporaryDirectory() as folder:
        plays, _ = make_twin(Path(folder), sessions=sessions, seed=seed)
    first_seed = np.random.SeedSequence(seed).spawn(3)[0]
    catalogue = make_catalogue(np.random.default_rng(first_seed))
    appeal = catalogue.appeal.astype(np.float64)[track_numbers(plays)]
    parts = split_sessions(plays, read_params().split)
    nothing = np.zeros(len(plays))
    known = {
        "known": Appeal(appeal, nothing),
        "estimated": estimated(plays, appeal, parts == "train"),
        "unknown": Appeal(nothing, nothing + 1),
    }
    test = np.flatnonzero(parts == "test")
    number = pd.factorize(plays["session_id"].array[test])[0]
    found: dict[str, dict[str, tuple[Floats, Floats]]] = {}
    for name, of_tracks in known.items():
        scores: dict[str, list[tuple[Floats, Floats]]] = {}
        for first in range(0, number[-1] + 1, CHUNK):
            rows = test[(number >= first) & (number < first + CHUNK)]
            halves = Halves(plays.iloc[rows].reset_index(drop=True), of_tracks.of(rows))
            for rule, answers in predict(halves, read_habits(), seed).items():
                scores.setdefault(rule, []).append(right_of(halves, answers))
        found[name] = {rule: joined(chunks) for rule, chunks in scores.items()}
        summary = {rule: [f"{s.mean():.4f}" for s in both] for rule, both in found[name].items()}
        print(f"twin {seed}, appeal {name}: {summary}", flush=True)
    return found


def joined(scores: list[tuple[Floats, Floats]]) -> tuple[Floats, Floats]:
    """Return both scores of all sessions."""
    maa, fpa = (np.concatenate(values) for values in zip(*scores, strict=True))
    return maa, fpa


def main() -> None:
    """Print the scores, and their differences to the last outcome for all."""
    parser = make_parser(__doc__)
    parser.add_argument("seeds", nargs="*", type=int, help="0 to 4, if left out")
    parser.add_argument("--sessions", type=int, default=SESSIONS, help="of each twin")
    parser.add_argument("--quick", action="store_true", help="one seed of few sessions")
    options = parser.parse_args()
    sessions, seeds = options.sessions, options.seeds or [0, 1, 2, 3, 4]
    if options.quick:
        sessions, seeds = QUICK_SESSIONS, seeds[:1]
    twins = [measure(seed, sessions) for seed in seeds]
    for appeal, rules in twins[0].items():
        last, *others = ({r: joined([t[appeal][r] for t in twins]) for r in rules}).items()
        for rule, (maa, fpa) in others:
            value, low, high = paired_difference(maa, last[1][0], np.arange(len(maa)), seed=0)
            print(
                f"appeal {appeal}, {rule}: MAA {maa.mean():.4f}, FPA {fpa.mean():.4f}; MAA against "
                f"{last[0]} {value:+.4f} ({low:+.4f} to {high:+.4f})"
            )


if __name__ == "__main__":
    main()
