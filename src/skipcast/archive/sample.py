"""Official files to parts of whole sessions: memory grows neither with the files nor with the sample.

First, files are cut into pieces on disk (`exploding`), which have no session that cannot be in the
sample. Then the pieces are joined into parts (`joining`). After a kill, the same fetch goes on with
what is finished. The header of a CSV file says what it holds: `session_id` makes it a log,
`track_id` a track table.
"""

import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pandas as pd
import pyarrow as pa
from rich.progress import Progress

from skipcast.archive.csv_files import progress
from skipcast.archive.exploding import Sample, Wanted, explode
from skipcast.archive.joining import Plan, check_once, join, plan
from skipcast.archive.pieces import Pieces
from skipcast.archive.source import Source
from skipcast.archive.tracks import distinct, read_tracks
from skipcast.archive.work import begin, fingerprint, keep_only, stamp
from skipcast.archive.workers import Workers, workers
from skipcast.errors import SkipcastError
from skipcast.parts import Draft, Parts
from skipcast.processes import cpu_count
from skipcast.reading.categories import CATEGORIES, NewTexts, count_new, tell_new

PROCESS_BYTES = 64 << 20  # of files, for each process more: to start one takes a second


@dataclass(frozen=True)
class Counts:
    """How much was read, and how much of it was taken."""

    files: int  # logs
    plays_read: int
    sessions_read: int
    plays: int
    sessions: int
    parts: int


@dataclass(frozen=True)
class Fetched:
    """A sample that is finished but not in its place yet.

    Attributes:
        draft: of the plays.
        tracks: those that are played, columns `schema.TRACK`, in order of id.
        counts: of plays and sessions.
    """

    draft: Draft
    tracks: pd.DataFrame
    counts: Counts

    def publish(self) -> Parts:
        """Put the plays in place of those that were there."""
        return self.draft.publish(self.counts.parts)


def read_subset(
    source: Path | str, tracks: Path | str | None, *, rows: int, seed: int
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Read a sample as `fetch_sample` does, and return it as two tables.

    Args:
        source: as there.
        tracks: as there.
        rows: the number of plays, 1 or more; they must have room in memory.
        seed: any whole number.

    Returns:
        The plays, columns `schema.LOG`, in order of session and position if they are of one part;
        and their tracks, columns `schema.TRACK`, in order of id.

    Raises:
        SkipcastError: as there.
    """
    with tempfile.TemporaryDirectory() as place:
        sample = Sample(rows, seed)
        fetched = fetch_sample(source, tracks, sample, Path(place, "plays"), Path(place, "work"))
        return fetched.publish().whole(), fetched.tracks


def fetch_sample(
    source: Path | str, tracks: Path | str | None, sample: Sample, folder: Path, work: Path
) -> Fetched:
    """Make parts of whole sessions with `sample.rows` plays or more, and find their tracks.

    The sessions are those whose seeded hash of the id is lowest. So the same files and seed give
    the same sessions whatever the order of the files. If there are fewer plays, all are taken.

    Args:
        source: official files with the logs and, if `tracks` is None, the track features.
        tracks: official files with the track features.
        sample: how many plays, of which sessions.
        folder: of the parts.
        work: folder for what is not finished; an attempt after a kill goes on with what is there.

    Raises:
        SkipcastError: a file is missing, cut short or damaged, lacks a column, or holds a value of
            the wrong type, a session that is not whole or a play of an unknown track.
    """
    wanted = _wanted(source, tracks)
    files = [[*stamp(one.path), *one.kinds] for one in wanted]
    bound = None if sample.rows is None else files  # on which the threshold of each piece depends
    begin(work, fingerprint(sample.rows, sample.seed, bound))
    keep_only(work, {one.key for one in wanted})
    draft = Draft.open(
        folder, made_by="fetch", run=fingerprint(sample.rows, sample.seed, files)
    )
    size = sum(one.path.stat().st_size for one in wanted)
    with workers(min(cpu_count(), 1 + size // PROCESS_BYTES)) as pool, Progress(**progress()) as bar:
        reading = bar.add_task("Reading", total=size)
        exploded = explode(wanted, sample, work, pool, partial(bar.advance, reading))
        check_once(exploded.logs, exploded.threshold)
        planned = plan(exploded.logs, exploded.threshold, check=sample.rows is not None)
        if not planned.parts:
            raise _no_plays(wanted[0].source)
        writing = bar.add_task("Writing", total=len(planned.parts))
        _join_all(planned, draft, pool, partial(bar.advance, writing))
    logs = wanted[0].source
    new: NewTexts = NewTexts()
    played = distinct(_track_ids(draft, len(planned.parts), new))
    for sentence in tell_new(new):
        logs.tell(sentence)
    table = read_tracks(exploded.tracks, played)
    return Fetched(draft, table, _count(exploded.logs, planned, draft))


def _wanted(source: Path | str, tracks: Path | str | None) -> list[Wanted]:
    logs = Source(source)
    if tracks is None:
        return [Wanted(logs, path, ("log", "track table")) for path in logs.files]
    features = Source(tracks)
    return [
        *(Wanted(logs, path, ("log",)) for path in logs.files),
        *(Wanted(features, path, ("track table",)) for path in features.files),
    ]
