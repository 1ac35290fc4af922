"""Two listener tables: which of them knows more of whom."""

from datetime import UTC, datetime

import pandas as pd

from skipcast.errors import SkipcastError

LISTENER = "listener"  # the kind of a row for all plays of a listener
# Of a table's plays, those that a longer history of the same listener must hold, too. Strangers
# share few tracks. Exports of 2020 have other ids of tracks than later ones: there artists tell.
LEAST_SHARED = {"track": 0.5, "artist": 0.8}


def newer(old: pd.DataFrame, new: pd.DataFrame) -> pd.DataFrame | None:
    """Return `old` with the rows of `new` in place of those of each listener whom it knows longer.

    Listeners that only one of the tables knows are kept.

    Args:
        old: a listener table, as `count_listeners` returns it.
        new: another one.

    Returns:
        The table; None where `new` counts just the plays that `old` does.

    Raises:
        SkipcastError: `new` is of other listeners, or counts fewer plays.
    """
    before, after = plays_of(old), plays_of(new)
    _check_same_listeners(old, new)
    fresh = after.index[~(after <= before.reindex(after.index)).to_numpy()]
    if len(fresh):
        kept = old[~old["listener_id"].isin(fresh)]
        return pd.concat([kept, new[new["listener_id"].isin(fresh)]], ignore_index=True)
    if (after == before.reindex(after.index)).all():
        return None
    raise SkipcastError(
        f"The plays must be newer than what the champion knows but it counts {before.sum():,} "
        f"plays up to {until(old)}, and they are {after.sum():,} up to {until(new)}: an older "
        "export, or a part of one. Name a newer one by --source, or load one by `dvc repro load`."
    )


def plays_of(table: pd.DataFrame) -> pd.Series:
    """Return the number of plays that a table counts of each listener, by id."""
    rows = table[table["kind"] == LISTENER]
    return rows.set_index("listener_id")["plays"]


def until(table: pd.DataFrame) -> str:
    """Return the UTC day of the last known start that a table counts.

    >>> until(pd.DataFrame({"last_at": [86_400, None]})), until(pd.DataFrame({"last_at": [None]}))
    ('1970-01-02', 'an unknown day')
    """
    last = table["last_at"].max()
    if pd.isna(last):
        return "an unknown day"
    return datetime.fromtimestamp(int(last), UTC).date().isoformat()


def _check_same_listeners(old: pd.DataFrame, new: pd.DataFrame) -> None:
    """Refuse plays of other people.

    Single exports bear the same id whoever made them, so names do not tell: who listens goes on to
    count what they have played before.
    """
    shares = pd.DataFrame({kind: _shared(old, new, kind) for kind in LEAST_SHARED})
    others = shares.index[~(shares >= pd.Series(LEAST_SHARED)).any(axis=1)]
    if shares.empty or len(others):
        which = f"listener {others[0]}" if len(others) else "a listener whom it knows"
        found = f"{shares['track'][others[0]]:.0%}" if len(others) else "those of others alone"
        raise SkipcastError(
            f"The plays must be of the champion's listeners and hold what it counts of them but of "
            f"{which} they hold {found}. It is the export of somebody else, bears another name "
            "than that of fetch.source did, or is a much older one. Name the right one by "
            "--source; for another listener, name it by fetch.source, then `dvc repro`."
        )


def _shared(old: pd.DataFrame, new: pd.DataFrame, kind: str) -> pd.Series:
    """Return the share of a listener's plays of tracks, or artists, in `old` that `new` has, too.

    By id of the listeners in both, 0..1.
    """
    keys = ["listener_id", "key"]
    before, after = (t[t["kind"] == kind].set_index(keys)["plays"] for t in (old, new))
    both = before.to_frame("old").assign(shared=after.reindex(before.index).fillna(0))
    both = both.assign(shared=both.min(axis=1))
    both = both[both.index.isin(plays_of(new).index, level=0)]
    of_listener = both.groupby(level=0).sum()
    return of_listener["shared"] / of_listener["old"]
