"""Official files to parts of whole sessions; memory does not grow with the number of plays.

First, files are cut into pieces on disk (`exploding`), which have no session that cannot be in the
sample. Then the pieces are joined into parts (`joining`). After a kill, the same fetch goes on with
what is finished. The header of a CSV file says what it holds: `session_id` makes it a log,
`track_id` a track table.
"""

import tempfile
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import pandas as pd
import pyarrow as pa
from rich.progress import Progress

from skipcast.archive.csv_files import progress
from skipcast.archive.exploding import Exploded, Sample, Wanted, explode
from skipcast.archive.joining import Joined, Plan, check_once, join, plan
from skipcast.archive.source import Source
from skipcast.archive.tracks import distinct, read_tracks
from skipcast.archive.work import fingerprint
from skipcast.errors import SkipcastError
from skipcast.folders import begin, keep_only
from skipcast.parts import Draft, PartInfo, Parts
from skipcast.processes import cpu_count
from skipcast.reading.categories import NewTexts, tell_new
from skipcast.schema import SYNTHETIC_NOTE
from skipcast.workers import Pool, workers

Open = Callable[[int], AbstractContextManager[Pool]]
"""Starts who does tasks; gets how many processes of this machine are worth it."""
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
    synthetic: bool  # whether any of the plays is of a twin


@dataclass(frozen=True)
class Fetched:
    """A sample that is finished but not in its place yet.

    Attributes:
        draft: of the plays.
        parts: what each part of the plays is, by number.
        tracks: those that are played, columns `schema.TRACK`, in order of id.
        counts: of plays and sessions.
    """

    draft: Draft
    parts: Mapping[int, PartInfo]
    tracks: pd.DataFrame
    counts: Counts

    def publish(self) -> Parts:
        """Put the plays in place of those that were there."""
        return self.draft.publish(self.counts.parts, self.parts)


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
        The plays, columns `schema.LOG`, in order of session and position; and their tracks, columns
        `schema.TRACK`, in order of id.

    Raises:
        SkipcastError: as there.
    """
    with tempfile.TemporaryDirectory() as place:
        folders = Path(place, "plays"), Path(place, "work")
        sample = Sample(rows, seed)
        # Others would import the main module again, which not every script allows.
        fetched = fetch_sample(source, tracks, sample, *folders, open_workers=lambda _: workers(1))
        plays = fetched.publish().whole()
    plays = plays.sort_values(["session_id", "session_position"], ignore_index=True)
    return plays, fetched.tracks


def fetch_sample(
    source: Path | str,
    tracks: Path | str | None,
    sample: Sample,
    folder: Path,
    work: Path,
    *,
    open_workers: Open = workers,
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
        open_workers: who reads and writes.

    Raises:
        SkipcastError: a file is missing, cut short or damaged, lacks a column, or holds a value of
            the wrong type, a session that is not whole or a play of an unknown track.
    """
    logs, wanted = _wanted(source, tracks)
    draft = _begin(wanted, sample, folder, work)
    size = sum(one.path.stat().st_size for one in wanted)
    processes = min(cpu_count(), 1 + size // PROCESS_BYTES)
    with open_workers(processes) as pool, Progress(**progress()) as bar:
        reading = bar.add_task("Reading", total=size)
        exploded = explode(wanted, sample, work, pool, partial(bar.advance, reading))
        planned = plan(exploded.logs, exploded.threshold, check=sample.rows is not None)
        if not planned.parts:
            raise _no_plays(logs)
        check_once(exploded.logs, planned, exploded.threshold)
        writing = bar.add_task("Writing", total=len(planned.parts))
        tasks = (partial(join, part, n, draft) for n, part in enumerate(planned.parts))
        joined = _Joined()
        played = distinct(map(joined.add, pool.run(tasks, partial(bar.advance, writing))))
    for sentence in tell_new(joined.new):
        logs.tell(sentence)
    table = read_tracks(exploded.tracks, played)
    return Fetched(draft, joined.parts, table, _count(exploded, planned, joined.synthetic))


@dataclass
class _Joined:
    """What is kept of parts that are finished."""

    parts: dict[int, PartInfo] = field(default_factory=dict)
    new: NewTexts = field(default_factory=NewTexts)
    synthetic: bool = False

    def add(self, part: Joined) -> pa.ChunkedArray:
        """Add a part; return the ids of its tracks, which are not kept."""
        self.parts[part.number] = part.info
        self.new.update(part.new)
        self.synthetic = self.synthetic or part.synthetic
        return pa.chunked_array([part.tracks])


def _wanted(source: Path | str, tracks: Path | str | None) -> tuple[Source, list[Wanted]]:
    logs = Source(source)
    if tracks is None:
        return logs, [Wanted(logs, path, ("log", "track table")) for path in logs.files]
    features = Source(tracks)
    of_logs = [Wanted(logs, path, ("log",)) for path in logs.files]
    return logs, of_logs + [Wanted(features, path, ("track table",)) for path in features.files]


def _begin(wanted: list[Wanted], sample: Sample, folder: Path, work: Path) -> Draft:
    """Keep of an earlier attempt what this one would make again."""
    files = [one.key for one in wanted]
    # What is dropped of one file depends on the others, unless nothing is.
    begin(work, fingerprint(sample.rows, sample.seed, sample.rows and files))
    keep_only(work, set(files))
    run = fingerprint(sample.rows, sample.seed, files)
    return Draft.open(folder, made_by="fetch", run=run)


def _count(exploded: Exploded, planned: Plan, synthetic: bool) -> Counts:
    ends = [log.state(len(log) - 1) for log in exploded.logs]
    return Counts(
        files=len(ends),
        plays_read=sum(end.rows for end in ends),
        sessions_read=sum(end.sessions for end in ends),
        plays=planned.plays,
        sessions=planned.sessions,
        parts=len(planned.parts),
        synthetic=synthetic,
    )


def describe(fetched: Fetched, rows: int | None) -> list[str]:
    """Return sentences on what was read, what of it was taken, and why not all.

    Args:
        fetched: a sample.
        rows: the number of plays that was asked for; None: all.
    """
    counts = fetched.counts
    taken, read = (
        f"{_number(plays, 'play')} of {_number(sessions, 'session')}"
        for plays, sessions in (
            (counts.plays, counts.sessions),
            (counts.plays_read, counts.sessions_read),
        )
    )
    sentences = [
        f"{taken} in {_number(counts.parts, 'part')}, {_number(len(fetched.tracks), 'track')}"
        f"{SYNTHETIC_NOTE if counts.synthetic else ''}, of {read} in "
        f"{_number(counts.files, 'file')}."
    ]
    if left := counts.plays_read - counts.plays:
        sessions = _number(counts.sessions_read - counts.sessions, "session")
        sentences.append(
            f"Left out: {_number(left, 'play')} of {sessions}, as fetch.rows is {rows:,}; `all` "
            "takes them, too."
        )
    elif rows and counts.plays < rows:
        sentences.append(f"These are all there are: fewer than {rows:,}.")
    return sentences


def _number(number: int, what: str) -> str:
    return f"{number:,} {what}{'' if number == 1 else 's'}"


def _no_plays(source: Source) -> SkipcastError:
    return SkipcastError(
        f"{source.path} must hold plays but holds none: no CSV file in it has a row and the "
        "column session_id. fetch.source names the official training log, or a listener's own "
        "history: Spotify's zip, its JSON or a folder of them."
    )
