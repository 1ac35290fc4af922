"""Fits the distributions of the twin's track features; writes `tracks.json` in the package.

Usage: `python benchmarks/twin_fit_tracks.py STATISTICS.json`, with the published statistics. It is
no benchmark, and takes some seconds.

Two tables are published: over tracks and over plays. Each becomes a distribution by the least
reweighting (in relative entropy) of the published histogram of the full data set that meets mean,
sd and quartiles. Head tracks (the most played) and tail tracks then get those two distributions
whose mixture by tracks is the one table and whose mixture by plays is the other.
"""

import itertools
import json
from importlib.resources import files
from pathlib import Path

import numpy as np
from arguments import make_parser
from scipy.optimize import minimize

HERE = Path(str(files("skipcast.twin")))
HEAD_OF_PLAYS, HEAD_OF_TRACKS = 0.7, 0.265  # shares of the head at 10,000 sessions
ENDS = 1.5e-4  # share of the tracks at each published extreme, so that the range is met
INTEGERS = ("release_year", "key", "time_signature")
STEEP = ("us_popularity_estimate", "instrumentalness")
TAILS = np.array([0, ENDS, 0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.035])
P = np.r_[TAILS, np.arange(0.05, 0.9501, 0.025), 1 - TAILS[::-1]]


def grid(name, tables, histogram):
    """Return the values and base weights that the reweighting starts from."""
    lo, hi = tables[0][2], tables[0][6]
    if name in INTEGERS:
        values = np.array([v for v in sorted(map(float, histogram)) if lo <= v <= hi])
        return values, np.array(
            [histogram[k] for k in sorted(histogram, key=float) if lo <= float(k) <= hi], float
        )
    knots = np.unique([t[i] for t in tables for i in (2, 3, 4, 5, 6)])
    pieces = []
    even = np.linspace(0, 1, 160)
    for a, b in itertools.pairwise(knots):
        x = a + (b - a) * even
        if b == knots[-1]:  # finer towards the bulk: the outer intervals are long and nearly empty
            x = a + (b - a) * even**3
        if a == knots[0]:
            x = b - (b - a) * even[::-1] ** 3
        if name == "instrumentalness":
            x = np.geomspace(max(a, 1e-12), b, 160)
        if name == "us_popularity_estimate":
            x = 100 - np.geomspace(100 - a, max(100 - b, 1e-6), 160)
        pieces.append(x[1:])
    values = np.concatenate([knots[:1], *pieces])
    if name in STEEP:
        return values, np.ones_like(values)
    width = np.gradient(values)
    if histogram:
        at = np.array(sorted(map(float, histogram)))
        step = np.diff(at).min()
        height = np.array([histogram[k] for k in sorted(histogram, key=float)], float)
        density = np.interp(values, at + step / 2, height, left=height[0], right=height[-1])
    else:
        mean, sd = tables[0][:2]
        density = np.exp(-((values - mean) ** 2) / (2 * (1.5 * sd) ** 2))
    return values, np.maximum(density, density.max() * 1e-7) * width


def reweigh(values, base, table):
    """Return the distribution nearest to `base` that has the mean, sd and quartiles of `table`."""
    mean, sd, q = table[0], table[1], table[3:6]
    z = (values - mean) / sd
    whole = np.allclose(values, np.round(values))
    ends = 0.0 if whole else ENDS
    columns = [z, z**2]
    goal = [-ends * (z[0] + z[-1]), 1.0 - ends * (z[0] ** 2 + z[-1] ** 2)]
    goal = [g / (1 - 2 * ends) for g in goal]
    for at, p in zip(q, (0.25, 0.5, 0.75), strict=True):
        if (
            whole
        ):  # the quartile of integers is met when the share below is under and up to it over p
            below, upto = (
                (base * (values < at)).sum() / base.sum(),
                (base * (values <= at)).sum() / base.sum(),
            )
            if below < p - 0.01 and upto > p + 0.01:
                continue
            at, p = (at, p + 0.03) if upto < p + 0.01 else (at - 1, p - 0.03)
        columns.append((values <= at + 1e-12).astype(float) - p)
        goal.append(0.0)
    f, goal = np.array(columns), np.array(goal)
    log_base = np.log(base / base.sum())

    def dual(x):
        e = log_base + x @ f
        top = e.max()
        w = np.exp(e - top)
        return np.log(w.sum()) + top - x @ goal + 1e-6 * x @ x, f @ (w / w.sum()) - goal + 2e-6 * x

    x = minimize(
        dual, np.zeros(len(f)), jac=True, method="BFGS", options={"maxiter": 3000, "gtol": 1e-7}
    ).x
    w = np.exp(log_base + x @ f - (log_base + x @ f).max())
    w /= w.sum()
    if not whole:
        w = w * (1 - 2 * ENDS)
        w[0] += ENDS
        w[-1] += ENDS
    return w


def describe(values, w):
    """Return mean, sd and quartiles of a distribution."""
    mean = values @ w
    c = w.cumsum()
    return np.r_[
        mean,
        np.sqrt(((values - mean) ** 2) @ w),
        [values[np.searchsorted(c, p)] for p in (0.25, 0.5, 0.75)],
    ]


def head_and_tail(by_tracks, by_plays):
    """Split into the distributions of head and tail; refines where a share would go negative."""
    u, w = by_tracks.copy(), by_plays.copy()
    for _ in range(60):
        d = (w - u) / (HEAD_OF_PLAYS - HEAD_OF_TRACKS)
        head = np.maximum(u + (1 - HEAD_OF_TRACKS) * d, 1e-9)
        tail = np.maximum(u - HEAD_OF_TRACKS * d, 1e-9)
        head, tail = head / head.sum(), tail / tail.sum()
        u = u + 0.5 * (by_tracks - HEAD_OF_TRACKS * head - (1 - HEAD_OF_TRACKS) * tail)
        w = w + 0.5 * (by_plays - HEAD_OF_PLAYS * head - (1 - HEAD_OF_PLAYS) * tail)
    return head, tail


def quantiles(values, w):
    """Return the values at the shares `P`."""
    c = np.r_[0, w.cumsum()]
    c /= c[-1]
    keep = np.r_[True, np.diff(c) > 1e-9]
    found = np.interp(P, c[keep], np.r_[values[0], values][keep])
    found[ENDS * 1.01 >= P], found[1 - ENDS * 1.01 <= P] = values[0], values[-1]
    return found


def main(path):
    """Fit every feature and write the package's file."""
    stats = json.loads(path.read_text(encoding="utf-8"))
    histograms = stats["track_feature_histograms_full"]["hist"]
    published = json.loads((HERE / "targets.json").read_text(encoding="utf-8"))["track_features"]
    out = {"shares": P.round(6).tolist(), "features": {}, "integers": {}}
    for name, table in published.items():
        tables = [table["tracks"], table["plays"]]
        values, base = grid(name, tables, histograms.get(name))
        u = reweigh(values, base, tables[0])
        w = reweigh(values, np.maximum(u, 1e-9), tables[1])
        head, tail = head_and_tail(u, w)
        for kind, mix, t in (
            ("tracks", HEAD_OF_TRACKS, tables[0]),
            ("plays", HEAD_OF_PLAYS, tables[1]),
        ):
            got = describe(values, mix * head + (1 - mix) * tail)
            miss = (got - np.array(t)[[0, 1, 3, 4, 5]]) / t[1]
            print(f"{name:25s} {kind:7s}", miss.round(3), "<--" if abs(miss).max() > 0.05 else "")
        if name in INTEGERS:
            out["integers"][name] = {
                "values": values.astype(int).tolist(),
                "head": head.round(6).tolist(),
                "tail": tail.round(6).tolist(),
            }
        else:
            rows = [quantiles(values, x) for x in (head, tail)]
            out["features"][name] = {
                k: [float(f"{v:.7g}") for v in r]
                for k, r in zip(("head", "tail"), rows, strict=True)
            }
    out["integers"]["mode"] = {"values": [0, 1], "head": [0.399, 0.601], "tail": [0.363, 0.637]}
    text = json.dumps(out).replace("}, ", "},\n").replace("], ", "],\n")
    (HERE / "tracks.json").write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    parser = make_parser(__doc__)
    parser.add_argument("statistics", type=Path, help="JSON file with the published statistics")
    main(parser.parse_args().statistics)
