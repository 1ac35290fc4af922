"""The whole path in a temporary clone, with the real DVC, Postgres, MLflow and scoring server."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pandas as pd
import pytest
import yaml
from mlflow import MlflowClient
from servers import free_port, post, started

from skipcast.schema import LOG, OUTCOMES, names

ROOT = Path(__file__).parents[2]


class Clone:
    """A clone of the project as a new user has it, and its command line."""

    def __init__(self, folder: Path, home: Path) -> None:
        self.folder = folder
        unset = ("DATABASE_URL", "MLFLOW_TRACKING_URI", "MLFLOW_RUN_ID")
        self.env = {name: value for name, value in os.environ.items() if name not in unset}
        scripts = Path(sys.executable).parent
        self.env |= {"HOME": str(home), "PATH": f"{scripts}{os.pathsep}{os.environ['PATH']}"}

    def run(self, *command: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command, cwd=self.folder, env=self.env, capture_output=True, text=True, check=False
        )

    def must(self, *command: str) -> str:
        done = self.run(*command)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout + done.stderr

    def set_params(self, **sections) -> None:
        path = self.folder / "params.yaml"
        content = yaml.safe_load(path.read_text())
        for section, changes in sections.items():
            content[section] |= changes
        path.write_text(yaml.safe_dump(content))

    def outputs(self) -> dict[str, bytes]:
        files = [*self.folder.glob("data/*.*"), self.folder / "metrics.json"]
        return {path.name: path.read_bytes() for path in files}

    @contextmanager
    def served(self) -> Iterator[str]:
        """Serve the champion as the README says, in a process group of its own."""
        port = free_port()
        command = f"mlflow models serve -m models:/skipcast@champion --env-manager local -p {port}"
        ping, log = f"http://127.0.0.1:{port}/ping", self.folder / "server.log"
        with started(command.split(), ping, log, cwd=self.folder, env=self.env):
            yield f"http://127.0.0.1:{port}/invocations"


@pytest.fixture(scope="module")
def clone(tmp_path_factory) -> Clone:
    folder, home = tmp_path_factory.mktemp("clone"), tmp_path_factory.mktemp("home")
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    made = {"", "dvc.lock", "metrics.json"}  # by runs in this working tree
    for name in sorted({*listed.stdout.split("\0")} - made):
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if (ROOT / name).is_file():
            shutil.copyfile(ROOT / name, target)
    made = Clone(folder, home)
    made.must("git", "init", "--quiet")
    made.must("git", "add", ".")
    made.must("git", "config", "user.name", "test")
    made.must("git", "config", "user.email", "test@example.org")
    made.must("git", "commit", "--quiet", "-m", "clone")
    made.set_params(
        fetch={"twin_sessions": 300, "rows": 4000},
        search={"families": {"logistic": 2, "lightgbm": 2, "xgboost": 2}},
        split={"test": 0.3},
        promote={"max_ece": 0.3},  # of some 1,200 test plays it is a matter of chance
    )
    return made


@pytest.fixture(scope="module")
def reproduced(clone) -> str:
    return clone.must("dvc", "repro")


def test_repro_makes_every_output_and_the_documented_metrics(clone, reproduced):
    metrics = json.loads((clone.folder / "metrics.json").read_text())
    assert set(metrics) == {
        "families", "candidate", "decision", "champion", "test", "interval", "baselines",
        "best_of_family",
    }  # fmt: skip
    assert set(metrics["families"]) == {"logistic", "lightgbm", "xgboost"}
    for scores in metrics["families"].values():
        assert set(scores) == {"accuracy", "log_loss"}
        assert 0.5 < scores["accuracy"] < 0.9
    assert metrics["champion"]["version"] == 1
    best = max(metrics["families"].values(), key=lambda scores: scores["accuracy"])
    assert metrics["families"][metrics["champion"]["family"]]["accuracy"] == best["accuracy"]
    assert metrics["decision"] == "promoted"
    scores = metrics["test"]["candidate"]
    assert set(scores) == {"accuracy", "log_loss", "brier", "auc", "calibration_error"}
    ends = metrics["interval"]["candidate"]["accuracy"]
    assert ends["low"] < scores["accuracy"] < ends["high"]
    rules = metrics["baselines"]
    assert set(rules) == {"majority", "repeat_last", "last_outcome", "recipe"}
    assert rules["majority"]["accuracy"] < rules["repeat_last"]["accuracy"]
    assert "synthetic" in reproduced
    receipt = json.loads((clone.folder / "data/receipt.json").read_text())
    assert receipt["synthetic"] is True
    assert receipt["tables"]["training_set"]["rows"] >= 4000
    plays = pd.read_parquet(clone.folder / "data/plays.parquet")
    features = pd.read_parquet(clone.folder / "data/features.parquet")
    assert len(features) == len(plays) == receipt["tables"]["training_set"]["rows"]


def test_report_prints_the_table_and_what_to_type_next(clone, reproduced):
    printed = clone.must("skipcast", "report")
    for text in (
        "synthetic",
        "logistic",
        "lightgbm",
        "xgboost",
        "majority",
        "same as the last play",
        "mlflow ui",
        "mlflow models serve -m models:/skipcast@champion --env-manager local -p 5001",
    ):
        assert text in printed


def test_promote_tells_without_acting_and_what_was_decided(clone, reproduced):
    before = clone.outputs()
    assert "would be kept (champion until now: version 1)" in clone.must(
        "skipcast", "promote", "--dry-run"
    )
    history = clone.must("skipcast", "promote", "--history")
    assert history.count("version 1 promoted") == 1
    assert "there is no champion to compare with" in history
    assert clone.outputs() == before
    refused = clone.run("skipcast", "rollback")
    assert refused.returncode == 1
    assert "must be an earlier champion of skipcast" in refused.stderr


def test_figure_draws_any_session_and_feature(clone, reproduced):
    session = pd.read_parquet(clone.folder / "data/plays.parquet")["session_id"].iloc[0]
    clone.must(
        "skipcast", "figure", "--session", session, "--feature", "tempo", "--out", "tempo.png"
    )
    assert (clone.folder / "tempo.png").read_bytes().startswith(b"\x89PNG")
    for option, value in (("--session", "nobody"), ("--feature", "mode")):
        done = clone.run("skipcast", "figure", option, value)
        assert done.returncode == 1
        assert f"{option} must be" in done.stderr


def test_metrics_and_plots_differ_between_commits(clone, reproduced):
    """As a user of DVC does: commit, change a value, run again, compare."""
    clone.must("git", "add", "dvc.lock", "metrics.json", "params.yaml")
    clone.must("git", "commit", "--quiet", "-m", "one")
    clone.set_params(promote={"seed": 1})
    clone.must("dvc", "repro", "promote")
    assert "interval.candidate.accuracy.low" in clone.must("dvc", "metrics", "diff")
    clone.must("git", "commit", "--quiet", "-am", "two")
    changed = clone.must("dvc", "metrics", "diff", "HEAD~1", "HEAD")
    assert "interval.candidate.accuracy.low" in changed
    assert "test.candidate.accuracy " not in changed
    clone.must("dvc", "plots", "diff", "-o", "compared", "HEAD~1", "HEAD")
    drawn = {path.name for path in (clone.folder / "compared/static").glob("*.png")}
    for rev in ("HEAD", "HEAD~1"):
        assert f"{rev}_reports_figures_roc.png" in drawn
    page = (clone.folder / "compared/index.html").read_text()
    assert "ROC of the candidate" in page
    clone.must("dvc", "plots", "show", "-o", "shown")
    assert "Reliability of the candidate" in (clone.folder / "shown/index.html").read_text()


def test_repro_again_does_nothing_and_says_so(clone, reproduced):
    before = clone.outputs()
    assert "up to date" in clone.must("dvc", "repro")
    assert clone.outputs() == before


def test_served_champion_answers_raw_plays_and_refuses_wrong_ones(clone, reproduced):
    plays = pd.read_parquet(clone.folder / "data/plays.parquet", columns=names(LOG))
    one = plays[plays["session_id"] == plays["session_id"].iloc[0]].astype(object)
    one.iloc[-1, [one.columns.get_loc(name) for name in OUTCOMES]] = None
    records = json.loads(one.to_json(orient="records"))
    with clone.served() as url:
        status, answer = post(url, {"dataframe_records": records})
        assert status == 200, answer
        rows = answer["predictions"]
        assert [row["session_position"] for row in rows] == list(range(1, len(one) + 1))
        assert all(row["session_id"] == one["session_id"].iloc[0] for row in rows)
        assert all(row["skip_probability"] is None for row in rows[:-1])
        assert rows[-1]["skipped"] == (rows[-1]["skip_probability"] >= 0.5)

        flags = {"inputs": [{**r, **{n: r[n] and int(r[n]) for n in OUTCOMES}} for r in records]}
        split = {"dataframe_split": json.loads(one.to_json(orient="split", index=False))}
        for body in (flags, split):
            assert post(url, body) == (200, answer)

        for record in records:
            del record["track_id_clean"]
        status, answer = post(url, {"dataframe_records": records})
        assert status == 400
        assert "track_id_clean" in answer["message"]


def refuses(clone: Clone, stage: str, *texts: str) -> None:
    """Run a stage that must fail: exit code 1, one clear message, every output as before."""
    before = clone.outputs()
    done = clone.run("skipcast", stage)
    assert done.returncode == 1
    assert done.stderr.count("Error: ") == 1
    assert "Traceback" not in done.stdout + done.stderr
    for text in texts:
        assert text in done.stderr
    assert clone.outputs() == before
    assert not list(clone.folder.glob("data/.*.*"))


@pytest.fixture
def restored(clone, reproduced) -> Iterator[Clone]:
    """Yield the clone; put params.yaml and the environment back afterwards."""
    params, env = (clone.folder / "params.yaml").read_text(), dict(clone.env)
    yield clone
    (clone.folder / "params.yaml").write_text(params)
    clone.env = env


def test_no_such_source(restored):
    restored.set_params(fetch={"source": "nowhere.tar.gz"})
    refuses(restored, "fetch", "fetch.source", "nowhere.tar.gz")


def test_archive_cut_short(restored, twin):
    whole = shutil.make_archive(str(restored.folder / "mssd"), "gztar", twin)
    content = Path(whole).read_bytes()
    Path(whole).write_bytes(content[: len(content) // 2])
    restored.set_params(fetch={"source": "mssd.tar.gz"})
    refuses(restored, "fetch", "mssd.tar.gz", "cut short")
    failed = restored.run("dvc", "repro")
    assert failed.returncode != 0
    assert "cut short" in failed.stderr


def test_unknown_key_in_params(restored):
    restored.set_params(fetch={"row": 5})
    refuses(restored, "load", "fetch.row", "Extra inputs")


def test_database_that_does_not_answer(restored):
    restored.env["DATABASE_URL"] = "postgresql://me:secret-word@127.0.0.1:1/db"
    refuses(restored, "load", "DATABASE_URL", "127.0.0.1:1/db")
    assert "secret-word" not in restored.run("skipcast", "load").stderr


def test_a_failed_stage_keeps_the_outputs_and_the_next_repro_mends_it(restored):
    """DVC, too, must not remove what a failing stage has made before."""
    restored.set_params(load={"schema": "other"})
    before = restored.outputs()
    restored.env["DATABASE_URL"] = "postgresql://me@127.0.0.1:1/db"
    assert restored.run("dvc", "repro", "load").returncode != 0
    assert restored.outputs() == before
    del restored.env["DATABASE_URL"]
    restored.must("dvc", "repro", "features")
    assert json.loads((restored.folder / "data/receipt.json").read_text())["schema"] == "other"


def test_a_search_killed_with_its_repro_goes_on_with_the_next(restored):
    restored.set_params(search={"seed": 1, "families": {"logistic": 3, "lightgbm": 6}})
    client = MlflowClient(f"sqlite:///{restored.folder}/mlflow.db")

    def finished() -> set[str]:
        return {
            run.info.run_id
            for run in client.search_runs(["1"], "attributes.status = 'FINISHED'")
            if run.data.tags.get("seed") == "1" and "trial" in run.data.tags
        }

    with subprocess.Popen(
        ["dvc", "repro", "search"],
        cwd=restored.folder,
        env=restored.env,
        stderr=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        start_new_session=True,
    ) as repro:
        while len(finished()) < 2:
            assert repro.poll() is None
            time.sleep(0.1)
        os.killpg(repro.pid, signal.SIGKILL)
    before = finished()
    restored.must("dvc", "repro", "search")
    assert before < finished()
    assert len(finished()) == 9
    assert not client.search_runs(["1"], "attributes.status = 'RUNNING'")
    assert restored.run("dvc", "status", "search").stdout.count("up to date")
