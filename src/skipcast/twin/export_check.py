"""The published statistics of real histories beside those of exports, synthetic or real ones."""

from pathlib import Path

import numpy as np
import pandas as pd

from skipcast.archive.history_files import find_histories
from skipcast.archive.history_plays import MILLISECONDS, are_again, known_starts
from skipcast.archive.history_rows import read_rows
from skipcast.archive.source import expand
from skipcast.archive.streaming_history import SYNTHETIC_ARTIST
from skipcast.errors import SkipcastError
from skipcast.twin.check import Row
from skipcast.twin.export_statistics import LISTENERS, PLAYS, measure, published


def check_exports(source: Path | str) -> tuple[list[Row], bool]:
    """Measure the exports of one listener or several.

    Of fewer listeners or plays than the published statistics are of, chance alone moves more. So
    their tolerances are wider: one listener may be like hardly any other.

    Args:
        source: a zip, a JSON file, or a folder of them, as `archive.history_files` finds them.

    Returns:
        A row per statistic, and whether the exports are synthetic.

    Raises:
        SkipcastError: a file is damaged, or there are no plays of tracks.
    """
    plays, duplicates = read_exports(source)
    measures = measure(plays, duplicates)
    wider = max(1.0, LISTENERS / len(duplicates), float(np.sqrt(0.9 * PLAYS / len(plays))))
    rows = [
        Row(quantity, value, measures[quantity], tolerance * wider)
        for quantity, (value, tolerance) in published().items()
    ]
    synthetic = plays["artist"].dropna().str.startswith(SYNTHETIC_ARTIST).all()
    return rows, bool(synthetic)


def read_exports(source: Path | str) -> tuple[pd.DataFrame, list[float]]:
    """Return plays of tracks, as `export_statistics.measure` takes them, and shares of duplicates.

    Raises:
        SkipcastError: as `check_exports`.
    """
    path = expand(source)
    histories, duplicates = [], []
    for name, files in find_histories(path, lambda _: None).items():
        rows, _ = read_rows(file for file in files if file.content == "plays")
        if len(rows):
            once = _in_order(rows)
            duplicates.append(1 - len(once) / len(rows))
            histories.append(once.assign(listener=name))
    if not histories:
        raise SkipcastError(
            f"{path.name} must hold plays of extended streaming histories but holds none. "
            "`skipcast twin --streaming-history --out FOLDER` writes synthetic ones."
        )
    return pd.concat(histories, ignore_index=True), duplicates


def _in_order(rows: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of a listener once each, in order of time, with reasons as they stand."""
    offline = rows["offline_timestamp"].to_numpy()
    offline = np.floor(np.where(offline < MILLISECONDS, offline, offline / 1000))
    seconds = rows["ms_played"].to_numpy() / 1000
    artist, track = rows["master_metadata_album_artist_name"], rows["master_metadata_track_name"]
    plays = pd.DataFrame(
        {
            "ended": rows["ended"],
            "started": known_starts(rows["ended"].to_numpy(), seconds, offline),
            "seconds": seconds,
            "start": rows["reason_start"].fillna(""),
            "end": rows["reason_end"].fillna(""),
            "track": rows["spotify_track_uri"].fillna(artist.fillna("") + "\x1f" + track),
            "artist": artist,
            "shuffle": rows["shuffle"].astype(float),
        }
    )
    return plays[~are_again(rows)].sort_values("ended", kind="stable", ignore_index=True)
