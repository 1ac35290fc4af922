"""What a second worker of Dask gives, what sharing a fit costs, and whether the answers agree.

Usage: `python benchmarks/cluster.py [stages] [fits] [sizes] [--plays N ...] [--rounds N]
[--family NAME] [--quick] [--write]`.
On two idle cores, `stages` takes 15 minutes, each other part about 8.

- `stages`: 10M plays; `fetch` and `features` by one worker, and by two.
- `fits`: 1M plays; each family in one process with two threads, and by two workers.
- `sizes`: time and memory against plays, on one machine without Dask and by two workers.

Workers are processes of `dask worker` with one thread each. The sides run in turn (`rounds.py`),
each with processes and a folder of its own. What two sides write or answer is compared, too.
`--write` puts the tables into docs/scale_cluster.md and draws the figure beside them.
"""

import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd
from against_plays import PLAYS_A_SESSION, markdown, put
from arguments import make_parser, parse_family
from cluster_tables import (
    MACHINE,
    NAMES,
    ONE,
    PAGE,
    ROOT,
    STAGES,
    TWO,
    computed_table,
    draw,
    measured_table,
    ratio,
    row_of_fit,
)
from commands import SKIPCAST, own_variables, settings
from rounds import Rounds, run_in_turn

from skipcast.files import hash_file
from skipcast.models.families import FAMILIES
from skipcast.twin.write import write_twin

FILE_SESSIONS = 10_000  # of a file of the twin: as many files as there are parts, or more
STAGES_PLAYS, FITS_PLAYS, SIZES = 10_000_000, 1_000_000, (300_000, 1_000_000, 3_000_000)
QUICK_PLAYS, QUICK_SIZES = 5_000, (3_000, 6_000)
FILES = ("data/plays/*", "data/features/*", "data/*.parquet")


@dataclass(frozen=True)
class Source:
    """The files of a twin, and the values of params that have stages take all of it."""

    folder: Path
    plays: int

    @property
    def values(self) -> list[str]:
        """Return them."""
        return [f"fetch.source={self.folder}", "fetch.rows=all", "load.into=none"]

    def run(self, project: Path, what: str, workers: int) -> dict[str, Any]:
        """Run a stage or a fit in the folder of a project; return what it took and found."""
        command = [sys.executable, str(ROOT / "benchmarks/cluster_run.py"), what, str(project)]
        found: dict[str, Any] = json.loads(self._call([*command, "--workers", str(workers)]))
        print(
            f"{self.plays:>10,} {what:<9} {NAMES[workers]:<12} {found['seconds']:7.1f} s "
            f"{found['bytes'] / 1e9:5.2f} GB",
            flush=True,
        )
        return found

    def load(self, project: Path) -> None:
        """Let the stages after `fetch` read its files."""
        self._call([str(SKIPCAST), "run", "load"], project)

    def _call(self, command: list[str], folder: Path = ROOT) -> str:
        command += settings(self.values)
        done = subprocess.run(
            command, cwd=folder, env=own_variables(), capture_output=True, text=True
        )
        if done.returncode:
            sys.exit(f"{' '.join(command)} failed:\n{done.stderr}")
        return done.stdout.strip().rsplit("\n", 1)[-1]


@contextmanager
def source(plays: int) -> Iterator[Source]:
    """Make a twin."""
    with tempfile.TemporaryDirectory(prefix="cluster.") as name:
        sessions = max(1, int(plays / PLAYS_A_SESSION))
        folder = Path(name, "twin")
        write_twin(folder, sessions=sessions, seed=0, file_sessions=FILE_SESSIONS)
        yield Source(folder, plays)


@contextmanager
def project() -> Iterator[Path]:
    """Make the folder of a project, without data."""
    with tempfile.TemporaryDirectory(prefix="cluster.") as name:
        shutil.copy(ROOT / "params.yaml", name)
        yield Path(name)


def content(folder: Path) -> dict[str, str]:
    """Return the hash of each file of plays, features and tracks."""
    return {
        str(file.relative_to(folder)): hash_file(file)
        for pattern in FILES
        for file in sorted(folder.glob(pattern))
    }


def _named(what: str, run: dict[str, Any]) -> dict[str, float]:
    return {what: run["seconds"], f"{what} bytes": run["bytes"]}


def run_stages(twin: Source, folder: Path, workers: int) -> dict[str, float]:
    """Run the stages; return seconds and bytes of each."""
    found: dict[str, float] = {}
    for stage in STAGES:
        found |= _named(stage, twin.run(folder, stage, workers))
        if stage == "fetch":
            twin.load(folder)
    return found


def compare_stages(plays: int, rounds: int) -> str:
    """Return a table of the stages by one worker and by two."""
    written: list[dict[str, str]] = []

    def side(twin: Source, workers: int) -> dict[str, float]:
        with project() as folder:
            found = run_stages(twin, folder, workers)
            written.append(content(folder))
            return found

    with source(plays) as twin:
        sides = {NAMES[n]: partial(side, twin, n) for n in (ONE, TWO)}
        runs = run_in_turn(sides, rounds=rounds)
    rows = [
        {
            f"stage, {plays:,} plays": f"`{stage}`",
            **{name: f"{runs.median(name, stage):.1f} s" for name in sides},
            "two of one": ratio(runs, NAMES[TWO], NAMES[ONE], stage),
        }
        for stage in STAGES
    ]
    same = all(one == written[0] for one in written)
    return (
        f"{markdown(rows)}\nAll {len(written[0])} files {'are' if same else 'are not'} the same "
        "bytes in all runs.\n"
    )


def compare_fits(plays: int, rounds: int, families: Sequence[str]) -> str:
    """Return a table of the fits by one process and by two workers, and how answers differ."""
    with source(plays) as twin, project() as folder:
        run_stages(twin, folder, MACHINE)
        rows = []
        for family in families:
            sides = {NAMES[n]: (family, n) for n in (MACHINE, TWO)}
            rows.append(row_of_fit(family, plays, *_fit_in_turn(twin, folder, sides, rounds)))
    return markdown(rows)


def _fit_in_turn(
    twin: Source, folder: Path, sides: dict[str, tuple[str, int]], rounds: int
) -> tuple[Rounds, dict[str, list[dict[str, Any]]]]:
    """Run fits, each what it is of and by how many workers; return seconds, and what they found."""
    found: dict[str, list[dict[str, Any]]] = {name: [] for name in sides}

    def run(name: str) -> dict[str, float]:
        found[name].append(twin.run(folder, *sides[name]))
        return {"seconds": found[name][-1]["seconds"]}

    return run_in_turn({name: partial(run, name) for name in sides}, rounds=rounds), found


def compare_sizes(sizes: Sequence[int], families: Sequence[str]) -> tuple[str, pd.DataFrame]:
    """Return tables of seconds and memory against plays, and what they were made of."""
    runs, written = [], []
    for plays in sizes:
        with source(plays) as twin:
            for workers in (MACHINE, TWO):
                with project() as folder:
                    amounts = run_stages(twin, folder, workers)
                    written.append(content(folder))
                    for family in families:
                        amounts |= _named(family, twin.run(folder, family, workers))
                for what in (*STAGES, *families):
                    took = amounts[what], amounts[f"{what} bytes"]
                    runs.append((plays, what, NAMES[workers], *took))
    found = pd.DataFrame(runs, columns=["plays", "what", "who", "seconds", "bytes"])
    same = written[::2] == written[1::2]
    end = f"Files of plays and features {'are' if same else 'are not'} the same bytes.\n"
    return f"{measured_table(found)}\n{end}\n{computed_table(found)}", found


def main() -> None:
    """Print a line per run and the tables; write them and the figure."""
    parser = make_parser(__doc__)
    parser.add_argument("parts", nargs="*", help="stages, fits, sizes; all if left out")
    parser.add_argument("--plays", type=int, nargs="+", help="instead of what the parts have")
    parser.add_argument("--rounds", type=int, default=3, help="of all but sizes; default: 3")
    parser.add_argument("--family", type=parse_family, action="append", help="all if left out")
    parser.add_argument("--quick", action="store_true", help="few plays, 1 round")
    parser.add_argument("--write", action="store_true", help="write tables and figure into docs/")
    options = parser.parse_args()
    rounds = 1 if options.quick else options.rounds
    families = options.family or list(FAMILIES)
    sizes = options.plays or (QUICK_SIZES if options.quick else SIZES)
    few = options.plays[0] if options.plays else QUICK_PLAYS if options.quick else None
    tables: dict[str, Callable[[], str]] = {
        "stages": lambda: compare_stages(few or STAGES_PLAYS, rounds),
        "fits": lambda: compare_fits(few or FITS_PLAYS, rounds, families),
    }
    for part in options.parts or [*tables, "sizes"]:
        if part == "sizes":
            text, found = compare_sizes(sizes, families)
            if options.write:
                text += draw(found)
        else:
            text = tables[part]()
        print(f"\n{text}", flush=True)
        if options.write:
            put(PAGE, part, text)


if __name__ == "__main__":
    main()
