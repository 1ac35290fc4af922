"""Accuracy and log loss against the number of plays, with and without counts of tracks.

Usage: `python benchmarks/learning_curve.py [PLAYS ...] [--quick] [--write]`. 100k, 300k, 1M and 3M
plays take about half an hour on two idle cores, and 10 GB of memory. It compares models, not speed.

On one twin, ever more of the same sessions train: so many plays, of which every tenth session ends
the fit early. A LightGBM of fixed parameters learns with all groups of features, and with all but
`track_history`. Always the same 20,000 sessions test, whose plays know the counts of all sessions
that train. Differences come with 95 % intervals of a paired bootstrap over sessions.

Prints a row per number of plays. `--write` puts the table into docs/features.md and draws the
figure beside it, with the lines that no model can cross: the best prediction from what can be seen,
and the true probabilities (`benchmarks/twin_optimum.py`).
"""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pandas as pd
from arguments import make_parser
from matplotlib import pyplot as plt

from skipcast.archive.sample import read_subset
from skipcast.arrays import Bools, Floats
from skipcast.evaluation.bootstrap import paired_difference
from skipcast.evaluation.metrics import is_right, log_losses
from skipcast.features.build import feature_set
from skipcast.features.counts import count_tracks
from skipcast.features.table import join_tracks
from skipcast.models.families import FAMILIES
from skipcast.models.family import Dataset
from skipcast.schema import TARGET, TRACK_GROUPS
from skipcast.sessions import hash_sessions
from skipcast.twin.limits import limits
from skipcast.twin.write import write_twin

mpl.use("Agg")
PLAYS = [100_000, 300_000, 1_000_000, 3_000_000]
TEST_SESSIONS, QUICK_TEST_SESSIONS = 20_000, 300
PLAYS_A_SESSION = 16.75
SAMPLES = 500
PARAMS = {"learning_rate": 0.1, "num_leaves": 63, "min_child_samples": 100, "colsample_bytree": 0.5}
WITHOUT = tuple(group for group in TRACK_GROUPS if group != "track_history")
ROOT = Path(__file__).parents[1]
PAGE, FIGURE = ROOT / "docs/features.md", ROOT / "docs/figures/learning_curve.png"
BEGIN, END = "<!-- learning curve -->\n", "<!-- end of learning curve -->\n"
WAYS = {"without track_history": WITHOUT, "with track_history": TRACK_GROUPS}


class Curve:
    """A twin, in which the sessions of lowest hash train first and the last ones test."""

    def __init__(self, plays: int, test_sessions: int) -> None:
        sessions = int(plays / PLAYS_A_SESSION * 1.02) + test_sessions
        with tempfile.TemporaryDirectory() as folder:
            write_twin(Path(folder, "twin"), sessions=sessions, seed=0)
            self.plays, self.tracks = read_subset(Path(folder, "twin"), None, rows=10**12, seed=0)
        self.session = pd.factorize(self.plays["session_id"])[0]
        order = hash_sessions(
            self.plays["session_id"].drop_duplicates(), purpose="learning curve", seed=0
        ).argsort()
        place = np.empty(len(order), np.intp)  # of each session in order of hash
        place[order] = np.arange(len(order))
        self.place = place[self.session]
        self.is_test: Bools = self.place >= len(order) - test_sessions

    def score(self, plays: int) -> Iterator[tuple[str, Floats, Floats]]:
        """Yield, for each way, which test plays are predicted right, and their log losses."""
        sizes = np.cumsum(np.bincount(self.place))
        is_train = (self.place <= np.searchsorted(sizes, plays)) & ~self.is_test
        chosen = is_train | self.is_test
        counts = count_tracks(self.plays[chosen], is_train[chosen], seed=0)[0]
        table = join_tracks(self.plays[chosen], self.tracks)
        table = table.join(counts.set_index(table.index))
        features = feature_set("started", TRACK_GROUPS).compute(table)
        skipped = table[TARGET].to_numpy(dtype=bool)
        train, test = is_train[chosen], self.is_test[chosen]
        ends_fit = train & (self.place[chosen] % 10 == 0)
        for way, groups in WAYS.items():
            columns = feature_set("started", TRACK_GROUPS).names.get_indexer(
                feature_set("started", groups).names
            )
            data = [
                Dataset.of(features[rows][:, columns], skipped[rows], self.session[chosen][rows],
                           table["session_position"].to_numpy(np.intp)[rows])
                for rows in (train & ~ends_fit, ends_fit)
            ]  # fmt: skip
            probability = _learn(*data)(features[test][:, columns])
            yield way, is_right(skipped[test], probability), log_losses(skipped[test], probability)

    def last_play(self) -> float:
        """Return the accuracy of "same as the last play" on the test plays."""
        truth, position = (self.plays[c].to_numpy() for c in (TARGET, "session_position"))
        last = np.where(position > 1, np.append(0, truth[:-1]), truth.mean() >= 0.5)
        return float((last == truth)[self.is_test].mean())


def _learn(train: Dataset, validation: Dataset):
    family = FAMILIES["lightgbm"]
    data = family.prepare(train=train, validation=validation)
    params = family.defaults({}) | PARAMS
    model = family.fit(params, data, seed=0, threads=2, on_round=lambda *_: None)
    print(f"  {model.best_iteration} rounds", flush=True)
    return lambda features: family.predict(model, features)


def _rows(curve: Curve, sizes: list[int]) -> list[dict]:
    numbers = pd.factorize(curve.session[curve.is_test])[0]
    rows = []
    for plays in sizes:
        scores = {way: (right, loss) for way, right, loss in curve.score(plays)}
        row: dict = {"plays": plays}
        for i, name in enumerate(("accuracy", "log loss")):
            without, with_counts = (scores[way][i] for way in WAYS)
            row[name] = (without.mean(), with_counts.mean())
            row[f"{name} change"] = paired_difference(
                with_counts, without, numbers, seed=0, samples=SAMPLES
            )
        print(row, flush=True)
        rows.append(row)
    return rows


def _table(rows: list[dict]) -> str:
    lines = []
    for row in rows:
        cells = [f"{row['plays']:,}"]
        for name in ("accuracy", "log loss"):
            change, low, high = row[f"{name} change"]
            cells += [f"{value:.4f}" for value in row[name]]
            cells.append(f"{change:+.4f} ({low:+.4f} to {high:+.4f})")
        lines.append(cells)
    heads = ["plays", "accuracy without", "with", "change", "log loss without", "with", "change"]
    table = pd.DataFrame(lines, columns=heads).to_markdown(index=False, disable_numparse=True)
    return f"Twin, synthetic; horizon `started`; changes with 95 % intervals.\n\n{table}\n"


def _figure(rows: list[dict], last_play: float) -> None:
    figure, axes = plt.subplots(1, 2, figsize=(10, 3.8), layout="constrained")
    plays = [row["plays"] for row in rows]
    for axis, name in zip(axes, ("accuracy", "log loss"), strict=True):
        for i, (way, colour) in enumerate(zip(WAYS, ("#0072B2", "#D55E00"), strict=True)):
            axis.plot(plays, [row[name][i] for row in rows], "o-", color=colour, label=way)
        lines = {way: scores[name.replace(" ", "_")] for way, scores in limits().items()}
        if name == "accuracy":
            lines["same as the last play"] = last_play
        for label, value in lines.items():
            axis.axhline(value, color="#444444", linewidth=0.9, linestyle="--")
            axis.annotate(f"{label}, {value:.3f}", (plays[0], value), (0, 3),
                          textcoords="offset points", fontsize=8)  # fmt: skip
        axis.set(xscale="log", xlabel="plays that train", ylabel=name)
        axis.set_xticks(plays, [f"{count:,}" for count in plays])
        axis.minorticks_off()
        axis.margins(y=0.08)
    axes[0].legend(loc="lower right", bbox_to_anchor=(1, 0.15), fontsize=8)
    figure.suptitle("LightGBM on ever more plays (twin, synthetic)", fontsize=11)
    figure.savefig(FIGURE, dpi=110)


def main() -> None:
    """Print a row per number of plays; write the table and the figure."""
    parser = make_parser(__doc__)
    parser.add_argument("plays", nargs="*", type=int, help="that train; 100k to 3M if left out")
    parser.add_argument("--quick", action="store_true", help="few plays")
    parser.add_argument("--write", action="store_true", help="write table and figure into docs/")
    options = parser.parse_args()
    sizes = options.plays or ([3_000, 6_000] if options.quick else PLAYS)
    curve = Curve(max(sizes), QUICK_TEST_SESSIONS if options.quick else TEST_SESSIONS)
    rows = _rows(curve, sizes)
    last_play = curve.last_play()
    print(f"same as the last play: {last_play:.4f}\n\n{_table(rows)}")
    if options.write:
        text = PAGE.read_text(encoding="utf-8")
        before, rest = text.split(BEGIN)
        after = rest.split(END)[1]
        PAGE.write_text(f"{before}{BEGIN}{_table(rows)}{END}{after}", encoding="utf-8")
        _figure(rows, last_play)


if __name__ == "__main__":
    main()
