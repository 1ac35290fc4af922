"""Synthetic exports of listeners' own histories: `docs/streaming_twin.md` says what they reproduce.

- export_people: the listeners and their sessions; export_tracks: what they play
- export_reasons, export_outcomes: how plays start and end; export_clock: when
- export_rows: plays as rows with their quirks; export_files: rows as JSON in zips
- export_statistics, export_check: published statistics beside those of exports
"""

from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import numpy as np

from skipcast.errors import SkipcastError
from skipcast.files import replacing
from skipcast.twin.export_clock import Times, draw_times
from skipcast.twin.export_files import LAYOUTS, Layout, Rows, zip_of
from skipcast.twin.export_outcomes import Outcomes, draw_base, draw_outcomes
from skipcast.twin.export_people import People, make_people, make_sessions
from skipcast.twin.export_reasons import Habits, read_habits
from skipcast.twin.export_rows import Plays, rows_of
from skipcast.twin.export_tracks import draw_tracks

WRITERS = 2  # threads that pack; the others' plays are made meanwhile
CHUNK = 500_000  # plays of listeners that are made at a time; a longer history is one alone

Export = tuple[int, Layout, Rows, Rows]  # number of the listener; music and videos


def write_exports(
    out: Path, *, listeners: int, plays: int, seed: int, habits: Habits | None = None
) -> list[Path]:
    """Write a zip of synthetic plays for each listener, in the layouts of four years in turn.

    The same arguments give the same bytes.

    Args:
        out: new or empty.
        listeners: 1 or more.
        plays: of music of all listeners together; some have more of them than others. Duplicates,
            episodes and what else a reader leaves out come on top.
        seed: any whole number from 0 on.
        habits: the constants of the listeners; None: those that the package ships.

    Returns:
        The paths of the zips.

    Raises:
        SkipcastError: a number is too small, `out` is not empty, or writing failed, as on a full
            disk. Then there is nothing at `out`.
    """
    if listeners < 1:
        raise SkipcastError(
            f"The number of listeners must be positive but got {listeners}. Ask for 1 or more."
        )
    if plays < listeners:
        raise SkipcastError(
            f"The number of plays must be at least that of the listeners but got {plays} for "
            f"{listeners}. Ask for more plays or fewer listeners."
        )
    if out.exists() and not (out.is_dir() and not any(out.iterdir())):
        raise SkipcastError(
            f"The folder of the exports must be new or empty but got {out}, which holds something. "
            "Name another one, or remove it."
        )
    try:
        with replacing(out) as temporary:
            temporary.mkdir()
            names = _write_all(temporary, _exports(listeners, plays, seed, habits or read_habits()))
    except OSError as error:
        raise SkipcastError(
            f"The exports must be written whole but got `{error}` for {out}, so nothing was kept. "
            "Free some space (about 100 MB per million plays) or name a folder elsewhere."
        ) from error
    return [out / name for name in names]


def _write_all(folder: Path, exports: Iterator[Export]) -> list[str]:
    """Write the zips beside each other, as packing takes longest; return their names in order."""
    names: list[str] = []
    waiting: deque[Future[str]] = deque()
    with ThreadPoolExecutor(WRITERS) as pool:
        for export in exports:
            waiting.append(pool.submit(_write, folder, export))
            if len(waiting) > WRITERS:
                names.append(waiting.popleft().result())
        return names + [future.result() for future in waiting]


def _write(folder: Path, export: Export) -> str:
    number, layout, music, video = export
    name = f"listener-{number}.zip"
    (folder / name).write_bytes(zip_of(layout, music, video))
    return name


def _exports(listeners: int, plays: int, seed: int, habits: Habits) -> Iterator[Export]:
    """Yield what each listener's zip holds."""
    for_people, for_plays = np.random.SeedSequence(seed).spawn(2)
    people = make_people(listeners, plays, habits, np.random.default_rng(for_people))
    for chosen in _chunks(people):
        rng = np.random.default_rng(for_plays.spawn(1)[0])
        for listener, own in make_plays(people, chosen, habits, rng):
            layout = LAYOUTS[int(people.year[listener])]
            duplicates, others = people.duplicates[listener], people.others[listener]
            rows = rows_of(own, layout, duplicates=duplicates, others=others, rng=rng)
            yield listener + 1, layout, *rows


def _chunks(people: People) -> Iterator[range]:
    """Yield neighbours among the listeners who together have at most CHUNK plays, or one alone."""
    first, plays = 0, 0
    for i, own in enumerate(people.plays.tolist()):
        if plays and plays + own > CHUNK:
            yield range(first, i)
            first, plays = i, 0
        plays += own
    yield range(first, len(people.plays))


def make_plays(
    people: People, chosen: range, habits: Habits, rng: np.random.Generator
) -> Iterator[tuple[int, Plays]]:
    """Make the plays of some listeners; yield the number of each with its own."""
    sessions = make_sessions(people, chosen, rng)
    tracks = draw_tracks(people, sessions, rng)
    base = draw_base(people, sessions, tracks, habits, rng)
    outcomes = draw_outcomes(people, sessions, base, habits, rng)
    times = draw_times(people, sessions, outcomes, tracks.number, rng)
    session_ends = np.zeros(len(tracks.number), dtype=bool)
    session_ends[sessions.first + sessions.length - 1] = True
    shuffle = np.repeat(sessions.shuffle, sessions.length)
    bounds = np.cumsum([0, *people.plays[chosen.start : chosen.stop]])
    for listener, first, last in zip(chosen, bounds[:-1], bounds[1:], strict=True):
        own = slice(first, last)
        yield (
            listener,
            Plays(
                Outcomes(outcomes.start[own], outcomes.depth[own], outcomes.end[own]),
                Times(times.ended[own], times.started[own], times.played_ms[own]),
                tracks.number[own],
                shuffle[own],
                session_ends[own],
            ),
        )
