"""`skipcast monitor` on what a served model logged: its exit codes, its figure, its runs."""

import subprocess
from dataclasses import dataclass
from pathlib import Path
from threading import Lock

import mlflow
import pandas as pd
import pytest
import yaml
from harness.replay import replay
from harness.servers import ROOT, SCRIPTS, SKIPCAST
from harness.units import cron_line, unit
from mlflow.entities import Run

from skipcast.cli.monitor import _retrain
from skipcast.promotion.ledger import Entry
from skipcast.promotion.registry import Registry
from skipcast.schema import THRESHOLD
from skipcast.serving.log_reader import read_log

SESSIONS = 40
MODEL = "monitored"


class Model:
    """The champion in this process, asked as an endpoint is."""

    def __init__(self, log: Path) -> None:
        loaded = mlflow.pyfunc.load_model(f"models:/{MODEL}/1", model_config={"log": str(log)})
        self._model, self._lock = loaded.unwrap_python_model(), Lock()

    def post(self, body):
        with self._lock:
            answer = self._model.predict(None, pd.DataFrame(body["dataframe_records"]))
        return 200, {"predictions": answer.to_dict("records")}


@dataclass(frozen=True)
class Project:
    """A project with two logs of its champion: of plays as in training, and of other ones."""

    folder: Path
    usual: Path
    drifted: Path

    def monitor(self, log: Path, *options: str, **sections: dict[str, object]):
        """Run the command with changed params; return what it printed and its exit code."""
        params = yaml.safe_load((ROOT / "params.yaml").read_text())
        params["promote"] |= {"model": MODEL, "samples": 200}
        params["monitor"]["sessions"] = 30
        for section, changes in sections.items():
            params[section] |= changes
        (self.folder / "params.yaml").write_text(yaml.safe_dump(params))
        return subprocess.run(
            [SKIPCAST, "monitor", "--log", log, *options],
            cwd=self.folder,
            capture_output=True,
            text=True,
            check=False,
        )


@pytest.fixture(scope="module")
def project(logged_model, raw_plays, tmp_path_factory):
    mlflow.register_model(logged_model("logistic", with_training=True).uri, MODEL)
    folder = tmp_path_factory.mktemp("monitored")
    ids = raw_plays["session_id"].unique()[:SESSIONS]
    plays = raw_plays[raw_plays["session_id"].isin(ids)]
    replay(Model(folder / "usual"), plays)
    other = plays.assign(track_id_clean="new " + plays["track_id_clean"], hour_of_day=3)
    replay(Model(folder / "drifted"), other)
    return Project(folder, folder / "usual", folder / "drifted")


def promise(*accuracy: float) -> None:
    """Let the ledger say what the test sessions said of version 1."""
    scores = {"accuracy": [*accuracy], "log_loss": [0.4, 0.39, 0.41]}
    Registry(MODEL).carry_out(Entry("kept", 1, 1, "it is the champion already", scores=scores))


@pytest.fixture(scope="module")
def well(project):
    """What it says where nothing is wrong."""
    Registry(MODEL).carry_out(Entry("promoted", 1, None, "the first"))
    promise(0.6, 0.5, 0.65)
    return project.monitor(project.usual)


def days_in_mlflow() -> list[Run]:
    return mlflow.search_runs(experiment_names=[f"{MODEL}-live"], output_format="list")


def test_all_is_well_is_exit_code_0(well):
    assert well.returncode == 0, well.stdout + well.stderr
    assert "Version 1, last 7 days: all is well." in well.stdout


def test_intervals_stand_beside_those_of_the_test_sessions(well):
    rows = [line for line in well.stdout.splitlines() if "..0." in line]
    assert len(rows) >= 2
    assert rows[-1].split()[:4] == ["test", "sessions", "1", "0.6000"]


def test_a_day_is_a_run_with_its_figures(project, well):
    answers = read_log(project.usual).answers
    days = answers.groupby(answers["at"].dt.strftime("%Y-%m-%d"))
    runs = days_in_mlflow()
    assert sorted(run.info.run_name for run in runs) == sorted(days.groups)
    for run in runs:
        metrics, known = run.data.metrics, days.get_group(run.info.run_name).dropna()
        right = (known["probability"] >= THRESHOLD) == (known["skipped"] == 1)
        assert metrics["accuracy"] == pytest.approx(right.mean())
        assert metrics["version_1/outcomes"] == len(known)
        assert {"accuracy_low", "log_loss_high", "calibration_error", "stability"} <= set(metrics)


def test_the_figure_is_drawn(project, well):
    assert (project.folder / "reports/monitor.png").read_bytes().startswith(b"\x89PNG")


def test_too_little_to_tell_is_exit_code_0_and_makes_no_second_run(project, well):
    before = len(days_in_mlflow())
    done = project.monitor(project.usual, monitor={"sessions": 1000})
    assert done.returncode == 0
    assert "too few outcomes to tell accuracy and calibration: 40 sessions have any, of 1000" in (
        done.stdout
    )
    assert "all is well" not in done.stdout
    assert len(days_in_mlflow()) == before


@pytest.mark.parametrize(
    ("log", "promised", "params", "fault"),
    [
        pytest.param(
            "usual",
            (0.999, 0.998, 1.0),
            {},
            "live accuracy must reach that of the test sessions, 0.9990 (0.9980..1.0000), but is",
            id="accuracy",
        ),
        pytest.param(
            "usual",
            (0.6, 0.5, 0.65),
            {"promote": {"max_ece": 0.001}},
            "the calibration error must be at most 0.001 (promote.max_ece) but is",
            id="calibration",
        ),
        pytest.param(
            "drifted",
            (0.6, 0.1, 0.65),
            {},
            "population stability index of hour_of_day must be at most 0.25 (monitor.stability)",
            id="features",
        ),
        pytest.param(
            "drifted",
            (0.6, 0.1, 0.65),
            {},
            "share of unknown tracks must be at most 0.05 (monitor.unknown_tracks) but is 1.0000",
            id="tracks",
        ),
    ],
)
@pytest.mark.usefixtures("well")
def test_what_is_wrong_is_exit_code_3(project, log, promised, params, fault):
    promise(*promised)
    done = project.monitor(getattr(project, log), "--out", "other.png", **params)
    assert done.returncode == 3, done.stdout + done.stderr
    assert f"Version 1, last 7 days: {fault}" in done.stdout


@pytest.fixture
def places(project, tracking, well):
    """What stands for the places that deploy/ names; the store is named in the variables."""
    assert well.returncode == 0
    params = yaml.safe_load((project.folder / "params.yaml").read_text())
    params["serve"]["log"] = str(project.usual)
    params["monitor"]["sessions"] = 30
    (project.folder / "params.yaml").write_text(yaml.safe_dump(params))
    (project.folder / ".venv").mkdir(exist_ok=True)
    if not (project.folder / ".venv/bin").exists():
        (project.folder / ".venv/bin").symlink_to(SCRIPTS)
    variables = project.folder / "skipcast.env"
    variables.write_text(f"# of the service\nMLFLOW_TRACKING_URI='{tracking}'\n")
    promise(0.6, 0.5, 0.65)
    return {"project": project.folder, "variables": variables}


def test_cron_runs_its_line_as_it_stands(places):
    command, variables = cron_line(**places)
    done = subprocess.run(
        ["/bin/sh", "-c", command], cwd="/", env=variables, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Version 1, last 7 days: all is well." in done.stdout


def test_systemd_runs_its_command_as_it_stands(places):
    command, variables = unit("skipcast-monitor.service", **places)
    done = subprocess.run(
        command, cwd=places["project"], env=variables, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Version 1, last 7 days: all is well." in done.stdout


def test_a_log_of_nobody_is_told_in_one_message(project):
    done = project.monitor(project.folder / "nothing")
    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 1
    assert "serve.log must be a folder that a server has made but" in done.stderr


@pytest.mark.usefixtures("well")
def test_nothing_is_trained_while_a_newer_champion_waits(capsys):
    _retrain(Registry(MODEL), "0")
    assert "The champion is version 1 already, so nothing is trained" in capsys.readouterr().out
