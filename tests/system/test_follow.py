"""`skipcast serve --follow` while clients ask: a promotion, a rollback and versions to refuse."""

import os
import shutil
import signal
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import mlflow
import psutil
import pytest
from harness.load import Clients
from harness.servers import ROOT, SKIPCAST, environment, free_port, running
from harness.units import unit
from harness.waiting import STOP_SECONDS, wait_until

from skipcast.clients.proxy import PLACES
from skipcast.promotion.alias import ALIAS
from skipcast.promotion.ledger import Entry
from skipcast.promotion.registry import Registry

MODEL = "followed"
CODE = "code/skipcast/schema.py"
BROKEN = {
    3: ("load_context", "1 / 0", "it must run until it is stopped but ended with"),
    4: (
        "predict",
        "return object()",
        "probabilities but answers HTTP 500",
    ),
}
CHANGED = 5  # the version whose files are changed after a decision
needs_nginx = pytest.mark.skipif(
    shutil.which("nginx", path=os.pathsep.join(PLACES)) is None,
    reason="There is no nginx: install it, e.g. `apt-get install nginx-light`.",
)


@pytest.fixture(scope="module")
def models(logged_model, tmp_path_factory):
    """The folder with the files of each version, by its number; 2 and 5 answer otherwise than 1."""
    folder = tmp_path_factory.mktemp("models")
    for number in range(1, CHANGED + 1):
        uri = logged_model(opposite=number in (2, CHANGED)).uri
        shutil.copytree(mlflow.artifacts.download_artifacts(uri), folder / str(number))
    for number, (word, broken, _) in BROKEN.items():
        (folder / str(number) / "served_model.py").write_text(
            "import mlflow\nfrom skipcast.serving.model import SkipModel\n\n"
            f"class Broken(SkipModel):\n    def {word}(self, *args, **kwargs):\n        {broken}\n"
            "\nmlflow.models.set_model(Broken())\n"
        )
    return folder


@pytest.fixture(scope="module")
def registry(models):
    """The five versions; the ledger has the files of the last, and 1 is champion."""
    made = Registry(MODEL)
    made.client.create_registered_model(MODEL)
    for number in range(1, CHANGED + 1):
        made.client.create_model_version(MODEL, str(models / str(number)))
    made.carry_out(Entry("refused", CHANGED, None, "as a search made it"))
    crown(made, 1)
    return made


@pytest.fixture(scope="module")
def folder(tracking):
    """The folder of the store, as a project's: follow writes to the ledger."""
    made = Path(tracking.removeprefix("sqlite:///")).parent
    text = (ROOT / "params.yaml").read_text().replace("model: skipcast", f"model: {MODEL}")
    (made / "params.yaml").write_text(text)
    yield made
    (made / "params.yaml").unlink()


def crown(registry: Registry, version: int) -> None:
    registry.carry_out(Entry("promoted", version, registry.champion(), "better"))


@dataclass
class Story:
    """What happened while four clients asked without pause."""

    answers: list[object]  # in order, a probability or an error
    last: dict[str, object]  # the answer at the end of each chapter
    not_served: dict[int, str]  # why, by version, as the ledger tells it
    notes: int  # of the ledger about what is not served
    log: str
    left: list[psutil.Process]  # that live after the command's end


class Followed:
    """A running `skipcast serve --follow` that is asked."""

    def __init__(self, registry: Registry, clients: Clients, log: Path) -> None:
        self.registry, self.clients, self.log = registry, clients, log

    def told(self) -> str:
        lines = self.log.read_text().splitlines(keepends=True)
        return "".join(line for line in lines if "POST /invocations" not in line)

    def wait_until(self, is_true: Callable[[], object]) -> None:
        wait_until(is_true, told=self.told)

    def wait_for_change(self) -> object:
        """Wait until the answers change; return the last of several more."""
        before = self.clients.answers[-1]
        self.wait_until(lambda: self.clients.answers[-1] != before)
        return self.goes_on()

    def goes_on(self) -> object:
        self.clients.ask_again(20)
        return self.clients.answers[-1]

    def refuses(self, version: int) -> object:
        """Wait until the ledger says that a version is not served; return the last answer."""

        def is_told() -> bool:
            latest = self.registry.history()[0]
            return (latest.decision, latest.version) == ("not served", version)

        self.wait_until(is_told)
        return self.goes_on()


def chapters(followed: Followed, models: Path) -> Iterator[tuple[str, object]]:
    """Yield what happens, with the answer of the server after it."""
    registry = followed.registry
    point = registry.client.set_registered_model_alias
    yield "first", followed.goes_on()
    crown(registry, 2)
    yield "promotion", followed.wait_for_change()
    registry.roll_back()
    yield "rollback", followed.wait_for_change()
    for version in BROKEN:
        crown(registry, version)
        yield f"version {version}", followed.refuses(version)
    changed = models / str(CHANGED) / CODE
    whole = changed.read_text()
    changed.write_text("raise SystemExit")
    point(MODEL, ALIAS, str(CHANGED))  # by hand: no command of ours makes it champion
    yield "changed", followed.refuses(CHANGED)
    registry.client.delete_registered_model_alias(MODEL, ALIAS)
    followed.wait_until(lambda: "followed has no champion. What was served" in followed.told())
    yield "no champion", followed.goes_on()
    changed.write_text(whole)  # the remedy of the message: from a backup
    point(MODEL, ALIAS, str(CHANGED))
    yield "brought back", followed.wait_for_change()


@pytest.fixture(scope="module")
def story(registry, folder, models, tracking, tmp_path_factory):
    """Run the command of the systemd unit, with a second instead of a minute between tries."""
    port, proxy = free_port(), tmp_path_factory.mktemp("follow") / "proxy"
    shutil.copytree(ROOT / "deploy", proxy)
    listen = proxy / "listen.conf"
    listen.write_text(listen.read_text().replace("127.0.0.1:8080", f"127.0.0.1:{port}"))
    (_, *words), variables = unit("skipcast.service", project=ROOT, proxy=proxy)
    code = (
        "import skipcast.promotion.follow as f; f.RETRY_SECONDS = 1.0\n"
        f"import sys; sys.argv[1:] = {words}\n"
        "from skipcast.cli.main import main; main()"
    )
    command = [SKIPCAST.with_name("python"), "-c", code]
    env = variables | {"MLFLOW_TRACKING_URI": tracking}
    url, log = f"http://127.0.0.1:{port}", proxy.parent / "log"
    with running(command, f"{url}/ping", log, cwd=folder, env=env) as server:
        with Clients(f"{url}/invocations", pause=0.1) as clients:
            followed = Followed(registry, clients, log)
            last = dict(chapters(followed, models))
        started = psutil.Process(server.pid).children(recursive=True)
        server.send_signal(signal.SIGTERM)
        server.wait(STOP_SECONDS)
        alive = psutil.wait_procs(started, timeout=1)[1]
        left = [p for p in alive if p.status() != psutil.STATUS_ZOMBIE]  # nobody asked how it ended
        notes = [e for e in registry.history() if e.decision == "not served"]
        reasons = {entry.version: entry.reason for entry in notes}
        yield Story(clients.answers, last, reasons, len(notes), followed.told(), left)


@needs_nginx
def test_no_request_is_lost(story):
    assert all(isinstance(answer, float) for answer in story.answers), set(story.answers)
    assert len(set(story.answers)) == 2


@needs_nginx
@pytest.mark.parametrize(
    ("chapter", "like_the_first"),
    [
        ("promotion", False),
        ("rollback", True),
        ("version 3", True),
        ("version 4", True),
        ("changed", True),
        ("no champion", True),
        ("brought back", False),
    ],
)
def test_who_answers_after(story, chapter, like_the_first):
    assert (story.last[chapter] == story.last["first"]) == like_the_first


@needs_nginx
@pytest.mark.parametrize(
    ("version", "reason"),
    [
        *((version, reason) for version, (_, _, reason) in BROKEN.items()),
        (CHANGED, f"must be as the ledger has them but {CODE} was changed. Bring them back from"),
    ],
)
def test_the_ledger_hears_why_a_version_is_not_served(story, version, reason):
    assert reason in story.not_served[version]


@needs_nginx
def test_a_version_that_is_tried_again_is_told_once(story):
    assert story.notes == 3
    assert story.log.count(f"version {CHANGED} is not served") == 1


@needs_nginx
def test_a_signal_ends_all_of_it(story):
    assert story.left == []


def test_without_nginx_one_message_says_so(registry, folder):
    code = (
        "import skipcast.clients.proxy as p; p.PLACES = ('bin',)\n"
        "import sys; sys.argv[1:] = ['serve', '--follow']\n"
        "from skipcast.cli.main import main; main()"
    )
    python = SKIPCAST.with_name("python")
    done = subprocess.run(
        [python, "-c", code], cwd=folder, env=environment(), capture_output=True, text=True
    )
    assert done.returncode == 1
    assert done.stderr.startswith("Error: nginx must be on this machine to follow the champion but")
    assert "`apt-get install nginx-light`" in done.stderr
    assert len(done.stderr.splitlines()) == 1
