"""What histories must be, and what hints at a part of one, each said with its remedy."""

import re
from collections.abc import Mapping
from pathlib import Path

import pandas as pd

from skipcast.archive.history_files import HistoryFile
from skipcast.archive.history_plays import consistency
from skipcast.errors import SkipcastError

PART = re.compile(r"endsong_(\d+)\.json", re.IGNORECASE)
LEAST_CONSISTENT = 0.85  # of whole histories .90 and more, of random parts .59 to .77
LEAST_JUDGED = 200  # plays from which on a share can be judged
MOST_SHARED = 0.05  # share of a listener's plays that another may have, too
REQUEST = (
    'Ask for "Extended streaming history" on https://www.spotify.com/account/privacy '
    "(docs/your_listening.md)."
)


def with_plays(
    path: Path, histories: dict[str, list[HistoryFile]], notes: list[str]
) -> dict[str, list[HistoryFile]]:
    """Return the listeners and files that have plays; say what is left out.

    Raises:
        SkipcastError: nothing has; the message says what there is instead. Or a file that is called
            .json is none: it may be one of plays that was damaged.
    """
    files = [file for of_one in histories.values() for file in of_one]
    for file in files:
        file.check_is_json()
    by_content = {c: [f for f in files if f.content == c] for c in ("plays", "account", "other")}
    account = by_content["account"]
    if not by_content["plays"]:
        if account:
            fault = (
                f"is Spotify's Account data ({account[0].name}), which does not say why plays "
                "began and ended"
            )
        elif files:
            what = "videos alone" if files[0].content == "videos" else "other JSON"
            fault = f"has {what} ({files[0].name})"
        else:
            fault = "has no file of JSON"
        raise SkipcastError(
            f"{path.name} must be an extended streaming history but {fault}. {REQUEST}"
        )
    for what, content in (("of Account data", "account"), ("without plays", "other")):
        if left_out := by_content[content]:
            notes.append(f"Left out: {len(left_out)} files {what}, the first {left_out[0].name}.")
    return {
        name: [file for file in of_one if file.content in ("plays", "videos")]
        for name, of_one in histories.items()
        if any(file.content == "plays" for file in of_one)
    }


def oddities(name: str, files: list[HistoryFile], rows: pd.DataFrame) -> list[str]:
    """Return a sentence if a history seems to be a part of one: then its sessions are wrong."""
    numbers = {int(m[1]) for file in files if (m := PART.search(file.name))}
    if missing := sorted({*range(max(numbers, default=-1))} - numbers):
        lacking = ", ".join(f"endsong_{number}.json" for number in missing)
        return [
            f"{name} must hold all files of the export but lacks {lacking}: each is a random part "
            "of the plays, so sessions have gaps. Name the zip as Spotify sent it."
        ]
    share, judged = consistency(rows)
    if judged >= LEAST_JUDGED and share < LEAST_CONSISTENT:
        return [
            f"{name} must hold a whole history but {share:.0%} of its plays start as the play "
            "before ended (of whole histories, 90 % and more do): it seems to be a part of the "
            "export, so sessions have gaps. Name the zip as Spotify sent it."
        ]
    return []


def check_has_plays(path: Path, pooled: Mapping[str, object], dropped: Mapping[str, int]) -> None:
    """Check that there are plays of some listener; else say what was left out."""
    if not pooled:
        left_out = f"only {describe_dropped(dropped)}" if dropped else "an empty list"
        raise SkipcastError(
            f"{path.name} must hold plays of tracks but holds {left_out}. {REQUEST}"
        )


def describe_dropped(dropped: Mapping[str, int]) -> str:
    """Return in words what was left out.

    >>> describe_dropped({"podcasts": 1200, "duplicates": 3, "videos": 0})
    'podcasts (1,200), duplicates (3)'
    """
    ordered = sorted(dropped.items(), key=lambda item: (-item[1], item[0]))
    return ", ".join(f"{reason} ({number:,})" for reason, number in ordered if number)


def check_differ(path: Path, pooled: Mapping[str, pd.DataFrame]) -> None:
    """Check that no two listeners are the same person's export of two days."""
    plays = pd.concat(
        [rows[["ended", "ms_played"]].assign(name=name) for name, rows in pooled.items()]
    )
    plays = plays[plays["ms_played"] > 0]
    shared = plays[plays.duplicated(["ended", "ms_played"], keep=False)]
    shares = (shared["name"].value_counts() / plays["name"].value_counts()).dropna()
    if len(pooled) > 1 and len(shares) and shares.max() > MOST_SHARED:
        most = shares.idxmax()
        same = shared[shared["name"] != most].merge(
            shared[shared["name"] == most], on=["ended", "ms_played"]
        )
        other = same["name_x"].mode()[0]
        raise SkipcastError(
            f"Each zip and each folder in {path.name} must be another listener's but {most} and "
            f"{other} share {shares.max():.0%} of their plays: they seem to be one listener's. "
            "Move both into one new folder there, or take one away."
        )
