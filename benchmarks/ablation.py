"""What each group of features brings to accuracy and log loss.

Usage: `python benchmarks/ablation.py [FOLDER] [--quick]`. It takes about 5 minutes on two idle
cores.

For each horizon a LightGBM of fixed parameters is trained with the groups added one by one and left
out one by one, on the twin or on the official files in FOLDER. Differences of accuracy and log loss
on the validation sessions come with 95 % intervals of a paired bootstrap over sessions. It compares
models, not speed, so there are no rounds.

Prints each step, and writes the table into docs/features.md and the figure beside it. With
`--quick` it runs one horizon on few plays and prints the table only.
"""

import tempfile
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pandas as pd
from arguments import make_parser
from lightgbm import LGBMClassifier
from matplotlib import pyplot as plt
from twin_inputs import QUICK_SESSIONS, make_twin, with_counts

from skipcast.archive.sample import read_subset
from skipcast.arrays import Floats
from skipcast.evaluation.bootstrap import paired_difference
from skipcast.evaluation.metrics import is_right, log_losses
from skipcast.features.build import feature_set
from skipcast.features.table import SKIPPED, feature_table
from skipcast.params import read_params
from skipcast.schema import HORIZONS, TRACK_GROUPS, Group, HorizonName, is_synthetic
from skipcast.split import split_sessions

mpl.use("Agg")
ROWS = 100_000  # plays at least
PAGE, FIGURE = Path("docs/features.md"), Path("docs/figures/ablation.png")
BEGIN, END = "<!-- ablation -->\n", "<!-- end of ablation -->\n"
FIXED = {
    "n_estimators": 200,
    "learning_rate": 0.05,
    "num_leaves": 31,
    "min_child_samples": 100,
    "colsample_bytree": 0.5,
    "random_state": 0,
    "deterministic": True,
    "force_row_wise": True,
    "verbose": -1,
}
# From what is known of the play itself to what must be made from several plays.
ADDED: tuple[Group, ...] = (
    "outcomes",
    "behaviour",
    "context",
    "track",
    "track_history",
    "previous_track",
    "taste",
)


class Ablation:
    """One horizon: its plays, split by sessions, and a score per validation play and model."""

    def __init__(self, plays: pd.DataFrame, horizon: HorizonName) -> None:
        self.horizon = horizon
        self.table = feature_table(plays, horizon)
        parts = split_sessions(self.table, read_params().split)
        self.skipped = self.table[SKIPPED].to_numpy(dtype=bool)
        self.train, self.validation = parts == "train", parts == "validation"
        self.sessions = pd.factorize(self.table["session_id"][self.validation])[0]

    def score(self, groups: tuple[Group, ...]) -> tuple[Floats, Floats]:
        """Return of each validation play whether it is predicted right, and its log loss."""
        columns = feature_set(self.horizon, groups).names
        truth = self.skipped[self.validation]
        if columns.empty:
            usual = self.skipped[self.train].mean()
            probability = np.full(len(truth), usual)
        else:
            values = self.table[columns].to_numpy()
            model = LGBMClassifier(**FIXED).fit(values[self.train], self.skipped[self.train])
            probability = model.predict_proba(values[self.validation])[:, 1]
        return is_right(truth, probability), log_losses(truth, probability)

    def rows(self) -> list[dict[str, object]]:
        """Return a row per step."""
        full = self.score(TRACK_GROUPS)
        rows = []
        before = self.score(())
        for i, group in enumerate(ADDED):
            now = self.score(ADDED[: i + 1])
            rows.append(self._row("add", group, now, before))
            before = now
        for group in ADDED:
            rest = self.score(tuple(other for other in TRACK_GROUPS if other != group))
            rows.append(self._row("leave out", group, rest, full))
        return rows

    def _row(self, step: str, group: Group, now: tuple, before: tuple) -> dict[str, object]:
        row: dict[str, object] = {"horizon": self.horizon, "step": step, "group": group}
        for name, one, other in zip(("accuracy", "log loss"), now, before, strict=True):
            row[name] = one.mean()
            row[f"{name} change"] = paired_difference(one, other, self.sessions, seed=0)
        print(row, flush=True)
        return row


def main() -> None:
    """Run all horizons, write the table and the figure."""
    parser = make_parser(__doc__)
    parser.add_argument("folder", nargs="?", type=Path, help="official files; the twin if left out")
    parser.add_argument("--quick", action="store_true", help="one horizon, few plays, only prints")
    options = parser.parse_args()
    plays = _plays(options.folder, QUICK_SESSIONS if options.quick else 10_000)
    horizons = [*HORIZONS][: 1 if options.quick else None]
    rows = [row for horizon in horizons for row in Ablation(plays, horizon).rows()]
    label = "twin, synthetic" if is_synthetic(plays["session_id"]) else "real data"
    if options.quick:
        print(_table(rows, label))
        return
    text = PAGE.read_text(encoding="utf-8")
    before, rest = text.split(BEGIN)
    after = rest.split(END)[1]
    PAGE.write_text(f"{before}{BEGIN}{_table(rows, label)}{END}{after}", encoding="utf-8")
    _figure(rows, label)


def _plays(folder: Path | None, sessions: int) -> pd.DataFrame:
    if folder is not None:
        return with_counts(*read_subset(folder, None, rows=ROWS, seed=0))[0]
    with tempfile.TemporaryDirectory() as temporary:
        return make_twin(Path(temporary), sessions=sessions, rows=ROWS, seed=0)[0]


def _table(rows: list[dict], label: str) -> str:
    lines = []
    for row in rows:
        cells = [row["horizon"], row["step"], row["group"]]
        for name in ("accuracy", "log loss"):
            change, low, high = row[f"{name} change"]
            cells += [f"{row[name]:.4f}", f"{change:+.4f} ({low:+.4f} to {high:+.4f})"]
        lines.append(cells)
    heads = ["horizon", "step", "group", "accuracy", "change", "log loss", "change"]
    table = pd.DataFrame(lines, columns=heads).to_markdown(index=False, disable_numparse=True)
    return f"{len(rows)} models ({label}); changes with 95 % intervals.\n\n{table}\n"


def _figure(rows: list[dict], label: str) -> None:
    figure, axes = plt.subplots(1, len(HORIZONS), figsize=(11, 3.6), sharey=True)
    for axis, horizon in zip(axes, HORIZONS, strict=True):
        for step, colour, shift in (("add", "#0072B2", 0.15), ("leave out", "#D55E00", -0.15)):
            chosen = [r for r in rows if r["horizon"] == horizon and r["step"] == step]
            change = np.array([row["accuracy change"] for row in chosen]) * 100
            if step == "leave out":  # what leaving out costs is what the group brings
                change = -change[:, [0, 2, 1]]
            y = np.arange(len(chosen))[::-1] + shift
            error = np.abs(change[:, 1:] - change[:, :1]).T
            label_text = "added to those above" if step == "add" else "left out of all"
            axis.errorbar(
                change[:, 0], y, xerr=error, fmt="o", color=colour, label=label_text, capsize=3
            )
        axis.axvline(0, color="grey", linewidth=0.8)
        axis.set_title(f"horizon {horizon}")
        axis.set_xlabel("accuracy brought (points)")
        axis.set_xscale("symlog", linthresh=1)
    axes[0].set_yticks(np.arange(len(ADDED))[::-1], ADDED)
    axes[0].legend(loc="lower right", fontsize=8)
    figure.suptitle(f"What each group of features brings ({label})", fontsize=11)
    figure.tight_layout()
    FIGURE.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(FIGURE, dpi=110)


if __name__ == "__main__":
    main()
