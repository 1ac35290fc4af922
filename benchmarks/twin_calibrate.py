"""Fits the constants of the twin's listeners to the published statistics.

Usage: `python benchmarks/twin_calibrate.py SESSIONS ROUNDS`. It is no benchmark: it starts from the
constants in the package, improves them by damped least squares on common random numbers, and writes
them back. A round of 10,000 sessions takes some minutes.

Prints the cost of each round, then each statistic beside its target, with an arrow where it is
further away than its tolerance.
"""

import dataclasses
import json
from importlib.resources import files
from pathlib import Path

import numpy as np
from arguments import make_parser
from scipy.special import expit

from skipcast.twin import listeners as ts

HERE = Path(str(files("skipcast.twin")))
TARGETS = json.loads((HERE / "targets.json").read_text(encoding="utf-8"))
RATES = np.array(TARGETS["skip_2_by_position"])


def simulate(habits, n, seed):
    """Simulate n sessions; solve the intercept of each position so that its rate is published."""
    rng = np.random.default_rng(seed)
    appeal = np.random.default_rng(7).standard_normal(200_000)
    state = ts.begin(n, habits, rng)
    intercept, plays = np.zeros(20), []
    for t in range(20):
        draws = rng.integers(0, len(appeal), n)
        s = ts.start(state, draws, appeal, habits, rng)
        alive = state.length > t
        z, b = s.log_odds[alive], intercept[t - 1] if t else -1.0
        for _ in range(12):
            p = expit(z + b)
            b += (RATES[t] - p.mean()) / (p * (1 - p)).mean()
        intercept[t] = b
        before = state.depth
        ts.end(state, s.log_odds + b, habits, rng)
        plays.append(
            {
                "alive": alive, "p": expit(s.log_odds + b), "reason": s.reason, "pause": s.pause,
                "switch": s.switch, "before": before, "depth": state.depth, "end": state.end,
                "context": state.context, "appeal": appeal[state.tracks[-1]],
                "shuffle": state.shuffle,
            }
        )  # fmt: skip
    out = {k: np.stack([q[k] for q in plays], axis=1) for k in plays[0]}
    out.update(hour=state.hour, premium=state.premium, length=state.length, intercept=intercept)
    return out


def statistics(o):
    """Return name -> value of what is fitted."""
    a, d = o["alive"], o["depth"]
    y, ns = d <= 1, d == 4
    s = {}
    s["skip_1"], s["skip_3"], s["not_skipped"] = (
        (d == 0)[a].mean(),
        (d <= 2)[a].mean(),
        ns[a].mean(),
    )
    for k in (1, 2, 3, 5, 9):
        both, x, w = a[:, k:], y[:, :-k], y[:, k:]
        s[f"lag{k}_skip"], s[f"lag{k}_not"] = w[both & x].mean(), w[both & ~x].mean()
    for value, name in ((True, "skips"), (False, "nots")):
        for k in range(1, 7):
            run_k = np.stack([(y[:, i : i + k] == value).all(1) for i in range(20 - k)], 1)
            s[f"{name}{k}"] = (y[:, k:] == value)[run_k & a[:, k:]].mean()
        ten = np.stack([(y[:, i : i + 10] == value).all(1) for i in range(11)], 1)
        s[f"ten_{name}"] = ten[a[:, 9:]].mean()
    r, fwd = o["reason"], o["reason"] == 0
    s["ns_fwd"], s["ns_else"] = ns[a & fwd].mean(), ns[a & ~fwd].mean()
    s["skip_trackdone"] = y[a & (r == 1)].mean()
    s["ns_short"], s["ns_long"] = ns[a & (o["pause"] == 1)].mean(), ns[a & (o["pause"] == 2)].mean()
    for i, name in enumerate(ts.CONTEXTS):
        s[f"context_{name}"] = y[a & (o["context"] == i)].mean()
    s["premium"] = y[a & o["premium"][:, None]].mean()
    s["shuffle"] = y[a & o["shuffle"]].mean()
    s["track_sd"] = -np.cov(o["appeal"][a], y[a])[0, 1]
    s["oracle"] = np.maximum(o["p"], 1 - o["p"])[a & (np.arange(20) > 0)].mean()
    s["started"] = table_accuracy(o)
    s["same"] = (y[:, 1:] == y[:, :-1])[a[:, 1:]].mean()
    for i, name in enumerate(ts.STARTS[:6]):
        s[f"start_{name}"] = (r == i)[a].mean()
    for i, name in enumerate(ts.ENDS):
        s[f"end_{name}"] = (o["end"] == i)[a].mean()
    s["short_share"], s["long_share"] = (o["pause"] == 1)[a].mean(), (o["pause"] >= 1)[a].mean()
    s["switch"], s["shuffle_share"] = o["switch"][a].mean(), o["shuffle"][a].mean()
    corr = np.corrcoef(ns[a], np.broadcast_to(o["length"][:, None], a.shape)[a])[0, 1]
    s["length_corr"] = corr
    return s


def table_accuracy(o):
    """Accuracy of the best rule on what shows at the start: a stand-in for a fitted model."""
    use = o["alive"][:, 2:]
    y = (o["depth"] <= 1)[:, 2:]
    earlier = o["depth"][:, :-2] <= 1
    key = o["before"][:, 2:]
    for part, size in (
        (o["reason"][:, 2:], 8),
        (o["pause"][:, 2:], 3),
        (earlier, 2),
        (o["switch"][:, 2:], 2),
    ):
        key = key * size + part
    key, y = key[use], y[use].astype(float)
    rate = np.bincount(key, y) / np.maximum(np.bincount(key), 1)
    return np.maximum(rate[key], 1 - rate[key]).mean()


def targets():
    """Return name -> (published value, tolerance that the fit weighs it by)."""
    t = TARGETS
    goal = {k: (t["skip_rates"][k], 0.01) for k in ("skip_1", "skip_3", "not_skipped")}
    for k, row in t["skip_2_by_lag"].items():
        goal[f"lag{k}_skip"], goal[f"lag{k}_not"] = (row[0], 0.006), (row[1], 0.006)
    for name in ("skips", "nots"):
        for k, v in enumerate(t[f"next_after_{name}"], 1):
            goal[f"{name}{k}"] = (v, 0.013)
    # The corrected pairs say 0.737 the same as the last play, models' reports 0.727 to 0.742, and
    # the log losses were measured on uncorrected ones: aim at the middle, well within tolerance.
    goal["lag1_skip"], goal["lag1_not"] = (0.752, 0.0025), (0.285, 0.0025)
    goal["ten_skips"], goal["ten_nots"] = (t["ten_skipped"], 0.005), (t["ten_not_skipped"], 0.008)
    goal["ns_fwd"], goal["ns_else"] = (
        (t["not_skipped_by_start"]["fwdbtn"], 0.008),
        (t["not_skipped_by_start"]["other"], 0.008),
    )
    goal["ns_short"], goal["ns_long"] = (0.189, 0.03), (0.50, 0.06)
    for name, v in t["skip_2_by_context_type"].items():
        goal[f"context_{name}"] = (v, np.inf)  # left to `settle`
    goal["premium"] = (t["skip_2_by_premium"]["true"], 0.003)
    goal["shuffle"] = (0.54, 0.02)
    goal["track_sd"], goal["oracle"], goal["started"] = (
        (0.105, 0.005),
        (0.82, 0.005),
        (0.768, 0.002),
    )
    goal["length_corr"] = (-0.06, 0.01)
    for name in ts.STARTS[:6]:
        goal[f"start_{name}"] = (t["reason_start"][name], 0.005)
    for name in ts.ENDS:
        goal[f"end_{name}"] = (t["reason_end"][name], 0.005)
    goal["short_share"] = (t["pauses"]["short_pause_before_play"], 0.004)
    goal["long_share"] = (t["pauses"]["long_pause_before_play"], 0.004)
    goal["switch"], goal["shuffle_share"] = (t["context_switch"], 0.004), (t["shuffle"], 0.004)
    return goal


FREE = [
    "impatience_sd", "mood_sd", "mood_keep", "attention_sd", "handedness_sd", "appeal_sd",
    ("depth_effect", (0, 1, 3, 4)), ("start_effect", (2, 3, 4)), ("pause_effect", (1, 2)),
    "switch_effect", "premium_effect", "shuffle_effect",
    "long_session_effect", ("thresholds", (0, 1, 2)), "pause_mood",
]  # fmt: skip


def pack(h):
    """Return the free constants as one vector."""
    parts = [getattr(h, f) if isinstance(f, str) else getattr(h, f[0])[list(f[1])] for f in FREE]
    return np.concatenate([np.atleast_1d(p).astype(float) for p in parts])


def unpack(h, x):
    """Return `h` with the free constants of `x`."""
    changes, i = {}, 0
    for f in FREE:
        if isinstance(f, str):
            limit = 0.965 if f == "mood_keep" else np.inf
            changes[f], i = min(float(x[i]), limit), i + 1
            continue
        values = getattr(h, f[0]).astype(float).copy()
        values[list(f[1])] = x[i : i + len(f[1])]
        changes[f[0]], i = values, i + len(f[1])
    return dataclasses.replace(h, **changes)


def rescale_shares(h, o):
    """Move the shares that have a target of their own, towards them."""
    s, t = statistics(o), TARGETS
    ends = h.end_shares.copy()
    for i, name in enumerate(ts.ENDS):
        ends[:3, i] *= t["reason_end"][name] / s[f"end_{name}"] if name != "trackdone" else 1.0
    ends /= ends.sum(1, keepdims=True)
    first = h.first_start_shares.copy()
    for i, name in enumerate(ts.STARTS[:5]):
        first[i] = max(0.01, first[i] + (t["reason_start"][name] - s[f"start_{name}"]) * 16.788)
    pauses = h.pause_shares.copy()
    pauses[:, 0] *= t["pauses"]["short_pause_before_play"] / s["short_share"]
    only = t["pauses"]["long_pause_before_play"] - t["pauses"]["short_pause_before_play"]
    pauses[:, 1] *= only / (s["long_share"] - s["short_share"])
    switch = h.switch_shares * t["context_switch"] / s["switch"]
    shuffle = h.shuffle_shares * t["shuffle"] / s["shuffle_share"]
    return dataclasses.replace(
        h, end_shares=ends, first_start_shares=first / first.sum(), pause_shares=pauses,
        switch_shares=switch, shuffle_shares=shuffle, intercept=o["intercept"],
    )  # fmt: skip


def settle(h, seeds=16, n=10_000):
    """Fit the effects of hour and context, and the intercepts, to means over many seeds.

    Few sessions are of an hour of the night or in a rare context: one simulation will not do.
    """
    contexts = np.array([TARGETS["skip_2_by_context_type"][name] for name in ts.CONTEXTS])
    for _ in range(3):
        hours, rates, intercepts = [], [], []
        for seed in range(seeds):
            o = simulate(h, n, 1000 + seed)
            a, y = o["alive"], o["depth"] <= 1
            hours.append([y[o["hour"] == i][a[o["hour"] == i]].mean() for i in range(24)])
            rates.append([y[a & (o["context"] == i)].mean() for i in range(6)])
            intercepts.append(o["intercept"])
        # One unit of either effect moves the rate by about a fifth.
        hour = h.hour_effect + 5 * (np.array(TARGETS["skip_2_by_hour"]) - np.mean(hours, 0))
        context = h.context_effect + 5 * (contexts - np.mean(rates, 0))
        h = dataclasses.replace(
            h, hour_effect=hour - hour @ h.hours, context_effect=context - context @ h.contexts,
            intercept=np.mean(intercepts, 0),
        )  # fmt: skip
    save(h)
    return h


def save(h):
    """Write the constants into the package."""
    values = {
        k: np.round(v, 5).tolist() if isinstance(v, np.ndarray) else round(v, 5)
        for k, v in dataclasses.asdict(h).items()
    }
    text = json.dumps(values, indent=1)
    (HERE / "habits.json").write_text(text + "\n", encoding="utf-8")


def improve(h, n, names, value, weight, damping):
    """Take one damped Gauss-Newton step; steps of 0.05 stand clear of the draws' roughness."""

    def residual(x):
        s = statistics(simulate(unpack(h, x), n, 1))
        return (np.array([s[k] for k in names]) - value) * weight

    x = pack(h)
    r = residual(x)
    jacobian = np.stack([(residual(x + d) - r) / 0.05 for d in 0.05 * np.eye(len(x))], axis=1)
    # Far misses count less than squared: one target that cannot be met must not pull all others.
    robust = 1 / np.sqrt(1 + r**2 / 9)
    weighted = jacobian * robust[:, None]
    step = np.linalg.solve(
        weighted.T @ weighted + damping * 30 * np.eye(len(x)), -weighted.T @ (r * robust)
    )
    best = min(
        (0.1, 0.3, 0.6, 1.0), key=lambda f: (np.log1p(residual(x + f * step) ** 2 / 9)).sum()
    )
    return unpack(h, x + best * step)


def fit(h, n, rounds):
    """Alternate between the shares with closed form and least squares for the rest."""
    goal = targets()
    names = list(goal)
    value = np.array([goal[k][0] for k in names])
    weight = 1 / np.array([goal[k][1] for k in names])
    for i in range(rounds):
        h = rescale_shares(h, simulate(h, n, 1))
        for damping in (1.0, 0.3):
            h = improve(h, n, names, value, weight, damping)
        o = simulate(h, n, 1)
        s = statistics(o)
        cost = (((np.array([s[k] for k in names]) - value) * weight) ** 2).sum()
        print(f"round {i}: cost {cost:.1f}", flush=True)
        h = dataclasses.replace(h, intercept=o["intercept"])
        save(h)
    return h


if __name__ == "__main__":
    parser = make_parser(__doc__)
    parser.add_argument("sessions", type=int, help="of a simulation")
    parser.add_argument("rounds", type=int, help="of the fit")
    options = parser.parse_args()
    n, rounds = options.sessions, options.rounds
    habits = settle(fit(ts.read_habits(), n, rounds))
    s, goal = statistics(simulate(habits, 3 * n, 5)), targets()
    for name, value in s.items():
        want, tolerance = goal.get(name, (np.nan, np.inf))
        flag = " <--" if abs(value - want) > tolerance else ""
        print(f"{name:35s} {value:8.4f} {want:8.4f}{flag}")
