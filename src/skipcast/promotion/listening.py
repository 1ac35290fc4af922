"""The figures of listeners' own histories in `reports/listening/`, which never leave the machine.

They show names. So the folder is no output of a stage, nothing of it is logged, and git and DVC
know nothing of it.
"""

from collections.abc import Iterator
from pathlib import Path

import pandas as pd
from matplotlib.figure import Figure

from skipcast.evaluation import listening_plots, plots
from skipcast.evaluation.listening import SKIPPED, Listening, listenings
from skipcast.evaluation.listening_plots import Caption
from skipcast.evaluation.look_up import LookUp
from skipcast.features.table import with_label
from skipcast.files import unfinished
from skipcast.folders import move_into
from skipcast.schema import Label, is_synthetic


def write_listening(
    folder: Path, plays: pd.DataFrame, look_up: LookUp, *, skip: Label, timezone: str
) -> None:
    """Draw each listener's history into `folder`, in place of what was there.

    Of several listeners, each has a folder of its own, called by the id, and `listeners.png`
    compares them.

    Args:
        folder: for the figures.
        plays: columns `schema.LOG`, in order of session and position.
        look_up: the names.
        skip: what counts as a skip.
        timezone: of the hours and days of the plays.
    """
    caption = Caption(SKIPPED[skip], timezone, is_synthetic(plays["session_id"]))
    every = list(listenings(with_label(look_up.dated(plays), skip)))
    with unfinished(folder) as place:
        new = place / folder.name
        new.mkdir()
        for shown in every:
            own = new / shown.listener if len(every) > 1 else new
            for file, figure in draw(shown, look_up, caption):
                plots.save(figure, own / file)
        if len(every) > 1:
            labels = [look_up.listener(shown.listener) for shown in every]
            plots.save(listening_plots.listeners(every, labels, caption), new / "listeners.png")
        move_into(place, folder.parent)


def draw(shown: Listening, look_up: LookUp, caption: Caption) -> Iterator[tuple[str, Figure]]:
    """Yield the file names and the figures of one listener."""
    yield "when.png", listening_plots.when(shown, caption)
    yield "over_time.png", listening_plots.over_time(shown, caption)
    artists = look_up.labels(shown.by_artist["id"], tracks=False)
    yield "artists.png", listening_plots.favourites(shown, "artists", artists, caption)
    tracks = look_up.labels(shown.by_track["id"], tracks=True)
    yield "tracks.png", listening_plots.favourites(shown, "tracks", tracks, caption)
