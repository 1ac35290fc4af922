"""Files of a source cut into pieces side by side: the first step of a fetch."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from skipcast.archive.csv_files import intact
from skipcast.archive.cutting import LogCutter, cut_tracks
from skipcast.archive.pieces import Kind, Pieces
from skipcast.archive.source import LeftOut, Reading, Source
from skipcast.archive.threshold import Threshold
from skipcast.archive.work import stamp
from skipcast.errors import SkipcastError
from skipcast.files import disk_errors, hash_bytes, write_json
from skipcast.records import Record
from skipcast.workers import OnStep, Pool

DONE = "done.json"


class CutFile(Record):
    """A CSV file that was cut."""

    name: str  # for messages
    kind: Kind
    folder: str  # of its pieces, in that of the file of the source


class Done(Record):
    """What a file of a source held."""

    files: tuple[CutFile, ...]
    left_out: LeftOut


@dataclass(frozen=True)
class Sample:
    """Which sessions to take."""

    rows: int | None  # plays, whole sessions until there are as many; None: all
    seed: int


@dataclass(frozen=True)
class Wanted:
    """A file of a source, and what to read of it."""

    source: Source
    path: Path
    kinds: tuple[Kind, ...]

    @property
    def key(self) -> str:
        """Return the name of the folder of its pieces; if the file changes, it is another."""
        with intact(str(self.path)):
            text = repr([*stamp(self.path), *self.kinds])
        return hash_bytes(text.encode())[:16]


@dataclass(frozen=True)
class Exploded:
    """The pieces of all files, in the order of the files.

    Attributes:
        logs: of each log.
        tracks: of each track table.
        threshold: the highest hash of a session of the sample.
    """

    logs: list[Pieces]
    tracks: list[Pieces]
    threshold: int


def explode(
    wanted: list[Wanted], sample: Sample, place: Path, workers: Pool, on_step: OnStep
) -> Exploded:
    """Cut files into pieces, without those that are cut already.

    Args:
        wanted: the files.
        sample: of the sessions.
        place: folder of the pieces.
        workers: who cut.
        on_step: gets how many bytes of the files were read.

    Raises:
        SkipcastError: a file is damaged, cut short or not as it must be; one changed while it was
            read; the disk is full; or a process was killed.
    """
    threshold = Threshold(sample.rows)
    keys = {one.key: one for one in wanted}
    # The largest first: else one worker has a whole file to read when the others have ended.
    large = sorted(keys, key=lambda key: _size(keys[key]), reverse=True)
    tasks = (partial(_cut, keys[key], key, sample, place, threshold.value) for key in large)
    for key in workers.run(tasks, on_step):
        if key != keys[key].key:
            raise SkipcastError(
                f"{keys[key].path} must stay as it is while it is read but was changed. Run it "
                "again when the file is whole."
            )
        for _, pieces in _cut_files(place / key):
            for number in range(len(pieces)):
                sessions = pieces.sessions(number)
                threshold.add(sessions["hash"], sessions["plays"])
    _tell_left_out(keys, place)
    files = [file for key in keys for file in _cut_files(place / key)]
    return Exploded(
        logs=[pieces for kind, pieces in files if kind == "log"],
        tracks=[pieces for kind, pieces in files if kind == "track table"],
        threshold=threshold.exact(),
    )


def _cut(
    wanted: Wanted, key: str, sample: Sample, place: Path, threshold: int, on_step: OnStep
) -> str:
    """Cut a file; return its key."""
    folder = place / key
    if (folder / DONE).is_file():
        on_step(wanted.path.stat().st_size)
        return key
    lowest = Threshold(sample.rows, threshold)
    reading = Reading(wanted.source, wanted.path, on_step)
    files: list[CutFile] = []
    with disk_errors():
        for number, file in enumerate(reading.open()):
            kind: Kind = "log" if "session_id" in file.header else "track table"
            if kind in wanted.kinds:
                called = hash_bytes(file.name.encode())[:16]
                pieces = Pieces(folder / f"{number:05}-{called}", file.name)
                files.append(CutFile(name=file.name, kind=kind, folder=pieces.folder.name))
                if kind == "log":
                    LogCutter(file, pieces, lowest, seed=sample.seed).cut()
                else:
                    cut_tracks(file, pieces)
        done = Done(files=tuple(files), left_out=reading.left_out)
        write_json(folder / DONE, done.model_dump())
    return key


def _size(wanted: Wanted) -> int:
    with intact(str(wanted.path)):
        return wanted.path.stat().st_size


def _done(folder: Path) -> Done:
    return Done.model_validate_json((folder / DONE).read_bytes())


def _cut_files(folder: Path) -> Iterator[tuple[Kind, Pieces]]:
    for file in _done(folder).files:
        yield file.kind, Pieces(folder / file.folder, file.name)


def _tell_left_out(wanted: dict[str, Wanted], place: Path) -> None:
    left_out: dict[int, tuple[Source, LeftOut]] = {}
    for key, one in wanted.items():
        _, before = left_out.get(id(one.source), (one.source, LeftOut()))
        left_out[id(one.source)] = one.source, before + _done(place / key).left_out
    for source, of_source in left_out.values():
        source.tell_left_out(of_source)
