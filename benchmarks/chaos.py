"""Kills commands and takes away what they need, at random moments, and looks at what is left.

Usage: `python benchmarks/chaos.py [--only KIND ...] [--rounds 30] [--seed 0] [--round N]
[--minutes N] [--work FOLDER] [--quick]`. 30 rounds of each kind take hours. Linux
only; the full disk is a mount, for which one has to be root.

- run, search, promote, rollback, refresh, load, predict: the command is killed (SIGKILL), in half
  of the rounds with its whole group of processes; run is `dvc repro` from nothing, and search has
  two workers.
- disk: it is full from then on, in `dvc repro`.
- postgres: it is stopped, or killed, in `dvc repro`.
- mlflow: the tracking server is stopped, or killed, in search and promotion.

The moment is drawn uniformly over the time that the undisturbed command takes here. Then the
command is typed again, and `dvc repro`. All must be as after an undisturbed run: the metrics, the
files of all stages and the tables in Postgres byte for byte, and the answers of the champion, whose
files are those of the ledger; no run, trial or model is unfinished; no temporary file, process or
lock is left; nothing has printed a traceback. Whatever is not so is printed, with what repeats the
round; then the exit code is 1.
"""

import json
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import chaos_project as projects
import chaos_state
import pandas as pd
from arguments import make_parser
from chaos_project import PARAMS, PLAYS, Project
from chaos_state import State
from chaos_strikes import Command, FullDisk, Kill, NoMlflow, NoPostgres, Strike

from skipcast.twin.export import write_exports

HANGS_SECONDS = 400
Variables = Mapping[str, str]
Changes = Mapping[str, Mapping[str, Any]]  # of params, by section


@dataclass(frozen=True)
class Kind:
    """A command, and what happens to it."""

    stage: str  # the project as it is before: a name of `STAGES`
    command: str
    again: tuple[str, ...]  # what is typed afterwards
    strike: type[Strike] = Kill
    workers: int = 1
    may_refuse: tuple[str, ...] = ()  # of `again`: what was done already


REPRO_LOAD = "dvc repro load"
PREDICT = "skipcast predict --input data/plays --output data/answers.csv --score-history"
REPRO, ROLLBACK = "dvc repro", "skipcast rollback --to 1"
KINDS = {
    "run": Kind("new", REPRO, (REPRO,)),
    "search": Kind("featured", "skipcast search", (REPRO,), workers=2),
    "promote": Kind("judged", "skipcast promote", (REPRO,)),
    "rollback": Kind("done", ROLLBACK, (ROLLBACK, REPRO), may_refuse=(ROLLBACK,)),
    "refresh": Kind("done", "skipcast refresh", ("skipcast refresh", REPRO)),
    "load": Kind("done", "skipcast load", ("skipcast load", REPRO)),
    "predict": Kind("done", PREDICT, (PREDICT, REPRO)),
    "disk": Kind("new", REPRO, (REPRO,), FullDisk),
    "postgres": Kind("new", REPRO, (REPRO,), NoPostgres),
    "mlflow": Kind("featured", REPRO, (REPRO,), NoMlflow),
}
QUICK = {"quick": Kind("loaded", "skipcast load", ("skipcast load", REPRO_LOAD))}
# What is typed to come from one state of the project to the next, and with which params.
WEAK: Changes = {"features": {"groups": ["context"]}, "search": {"families": {"logistic": 1}}}
USUAL: Changes = {"features": {"groups": None}, "search": {**PARAMS["search"], "plays": 1_000_000}}
STAGES: dict[str, tuple[tuple[Changes, str], ...]] = {
    "new": (),
    "loaded": (({}, REPRO_LOAD),),
    "weak": ((WEAK, REPRO),),
    "featured": ((USUAL, "dvc repro features"),),
    "judged": (({}, "dvc repro refit"),),
    "done": (({}, REPRO),),
}


@dataclass(frozen=True)
class Reference:
    """An undisturbed run of a kind."""

    seconds: float
    state: State


@dataclass(frozen=True)
class Round:
    """What came of a round."""

    kind: str
    number: int
    moment: float  # of the command's time, 0 to 1
    happened: str
    exceptions: list[str]
    seconds: float


class Chaos:
    """Rounds of a seed, in a folder."""

    def __init__(self, work: Path, seed: int) -> None:
        self._work = work
        self._seed = seed
        work.mkdir(exist_ok=True)
        work.chmod(0o711)  # Postgres runs as another user where root runs this

    def _made(self, stage: str) -> Project:
        """Return the project as it is at a stage; make it if need be."""
        place = self._work / stage
        if place.exists():
            return Project(place)
        names = [*STAGES]
        if stage == names[0]:
            return projects.make(place, self._export())
        before = self._made(names[names.index(stage) - 1])
        draft = projects.empty(self._work / "draft")
        projects.fill(draft, before)
        for params, command in STAGES[stage]:
            draft.set_params(params)
            draft.must(command)
        draft.place.rename(place)
        return Project(place)

    def _export(self) -> Path:
        folder = self._work / "exports"
        if not folder.exists():
            write_exports(folder, listeners=1, plays=PLAYS, seed=0)
        return next(folder.glob("*.zip"))

    @contextmanager
    def _project(self, kind: Kind, random_: random.Random) -> Iterator[tuple[Strike, Variables]]:
        """Yield what will strike a copy of the project, and the variables of its commands."""
        of = self._made(kind.stage)
        place = Path(tempfile.mkdtemp(prefix="r", dir=self._work))
        place.chmod(0o711)
        strike = kind.strike(Project(place), random_)
        with strike.around() as variables:
            try:
                projects.fill(projects.empty(place), of)
                strike.project.set_params({"search": {"workers": kind.workers}})
                yield strike, variables
            finally:
                strike.project.delete()

    def reference(self, name: str) -> Reference:
        """Run a kind without any disturbance, once for all that differ in that alone."""
        kind = (KINDS | QUICK)[name]
        file = self._work / f"{kind.stage} {kind.command.replace('/', ' ')} {kind.workers}.json"
        if not file.exists():
            file.write_text(json.dumps(asdict(self._undisturbed(kind))))
        return Reference(**json.loads(file.read_text()))

    def _undisturbed(self, kind: Kind) -> Reference:
        with self._project(kind, random.Random()) as (strike, variables):
            project = strike.project
            seconds = project.must(kind.command, **variables)
            for command in kind.again:
                project.run(command, **variables)
            return Reference(seconds, chaos_state.state(project, **variables))

    def round(self, name: str, number: int) -> Round:
        """Disturb a kind once."""
        reference = self.reference(name)
        kind, random_ = (KINDS | QUICK)[name], random.Random(f"{name} {self._seed} {number}")
        moment, started = random_.random(), time.perf_counter()
        with self._project(kind, random_) as (strike, variables):
            project = strike.project
            command = strike.start(kind.command, variables)
            happened, exceptions = _disturb(strike, command, moment * reference.seconds)
            exceptions += _conclude(project, kind, variables)
            found = json.loads(json.dumps(chaos_state.state(project, **variables)))
            exceptions += chaos_state.differences(reference.state, found)
            if exceptions:
                shutil.copy(project.log, self._work / f"{name}-{self._seed}-{number}.log")
        seconds = time.perf_counter() - started
        return Round(name, number, moment, happened, exceptions, seconds)


def _disturb(strike: Strike, command: Command, seconds: float) -> tuple[str, list[str]]:
    """Strike after so many seconds; return what happened, and what must not happen."""
    project, happened, exceptions = strike.project, None, []
    before = chaos_state.champion(project.store)
    try:
        command.wait(seconds)
    except subprocess.TimeoutExpired:
        happened = strike.hit()
    try:
        command.wait(HANGS_SECONDS)
    except subprocess.TimeoutExpired:
        exceptions.append(f"the command hangs for {HANGS_SECONDS} s")
    exceptions += [f"goes on without the command: {rest.cmdline()}" for rest in project.rest()]
    strike.mend()
    if happened is None and command.returncode:
        exceptions.append("the command fails without any disturbance")
    if before and not chaos_state.champion(project.store):
        exceptions.append("the champion is lost")
    ended = f"exit code {command.returncode}"
    return f"{happened}, {ended}" if happened else f"ended before, {ended}", exceptions


def _conclude(project: Project, kind: Kind, variables: Variables) -> list[str]:
    """Type what is typed afterwards; return what must not happen then."""
    exceptions = []
    for command in kind.again:
        code = project.run(command, **variables)
        if code and command not in kind.may_refuse:
            exceptions.append(f"`{command}` ends with exit code {code}")
    if "Traceback" in project.printed():
        exceptions.append("a traceback was printed")
    return exceptions


def table(rounds: Sequence[Round]) -> str:
    """Return a row for each kind, in Markdown.

    >>> print(table([Round("load", 0, 0.5, "killed, exit code -9", [], 4.0)]))
    | kind   |   rounds |   in time |   exceptions |   seconds a round |
    |:-------|---------:|----------:|-------------:|------------------:|
    | load   |        1 |         1 |            0 |                 4 |
    """
    rows = []
    for kind in dict.fromkeys(round_.kind for round_ in rounds):
        own = [round_ for round_ in rounds if round_.kind == kind]
        rows.append(
            {
                "kind": kind,
                "rounds": len(own),
                "in time": sum(not one.happened.startswith("ended") for one in own),
                "exceptions": sum(bool(one.exceptions) for one in own),
                "seconds a round": round(sum(one.seconds for one in own) / len(own)),
            }
        )
    return pd.DataFrame(rows).to_markdown(index=False)


def main() -> None:
    """Print a line for each round, and the table; exit with 1 after an exception."""
    parser = make_parser(__doc__)
    parser.add_argument("--only", action="append", choices=KINDS, help="all if left out")
    parser.add_argument("--rounds", type=int, default=30, help="a third for what is taken away")
    parser.add_argument("--round", type=int, help="only this one")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--minutes", type=float, default=1e9, help="no round begins later")
    parser.add_argument("--quick", action="store_true", help="one round of a load, for tests")
    parser.add_argument("--work", type=Path, help="keep there what all rounds begin with")
    options = parser.parse_args()
    kinds, count = options.only or [*KINDS], options.rounds
    if options.quick:
        kinds, count = [*QUICK], 1
    numbers = range(count) if options.round is None else [options.round]
    ends = time.monotonic() + 60 * options.minutes
    rounds: list[Round] = []
    with ExitStack() as stack:
        made = options.work or stack.enter_context(tempfile.TemporaryDirectory(prefix="chaos."))
        chaos = Chaos(Path(made).resolve(), options.seed)
        for name, number in planned(kinds, numbers):
            if time.monotonic() > ends:
                break
            rounds.append(chaos.round(name, number))
            _tell(rounds[-1], options.seed)
    print(f"\n{table(rounds)}")
    sys.exit(any(one.exceptions for one in rounds))


def planned(kinds: Sequence[str], numbers: Sequence[int]) -> Iterator[tuple[str, int]]:
    """Yield the rounds to do, one of each kind in turn; a third where something is taken away.

    >>> [*planned(["load", "disk"], range(3))]
    [('load', 0), ('disk', 0), ('load', 1), ('load', 2)]
    """
    for number in numbers:
        for name in kinds:
            is_killed = (KINDS | QUICK)[name].strike is Kill
            if is_killed or len(numbers) == 1 or number < -(-len(numbers) // 3):
                yield name, number


def _tell(one: Round, seed: int) -> None:
    print(f"  {one.kind} {one.number}: at {one.moment:.1%}: {one.happened}", flush=True)
    for exception in one.exceptions:
        print(f"    EXCEPTION: {exception}", flush=True)
    if one.exceptions:
        print(f"    repeat: --only {one.kind} --seed {seed} --round {one.number}", flush=True)


if __name__ == "__main__":
    main()
