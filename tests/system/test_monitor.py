"""`skipcast monitor` on what a served model logged: its exit codes, its figure, its runs."""

import subprocess
from dataclasses import dataclass
from pathlib import Path
from threading import Lock

import mlflow
import pandas as pd
import pytest
import yaml
from harness.replay import answer_wrongly, replay
from harness.servers import ROOT, SCRIPTS, SKIPCAST
from harness.units import cron_line, unit
from mlflow.entities import Run

from skipcast.cli.monitor import _retrain
from skipcast.promotion.ledger import Entry
from skipcast.promotion.registry import Registry
from skipcast.schema import THRESHOLD
from skipcast.serving.log_reader import read_log
from skipcast.serving.request_log import RequestLog

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
    """A project with logs of its champion: of plays as in training, of others, of wrong answers."""

    folder: Path
    variables: Path  # the file that names its MLflow store

    def set_params(self, log: str, **sections: dict[str, object]) -> None:
        """Write params.yaml: that a log is judged, with changes of sections."""
        params = yaml.safe_load((ROOT / "params.yaml").read_text())
        params["promote"] |= {"model": MODEL, "samples": 200}
        params["monitor"]["sessions"] = 30
        params["serve"]["log"] = log
        for section, changes in sections.items():
            params[section] |= changes
        (self.folder / "params.yaml").write_text(yaml.safe_dump(params))

    def by_cron(self) -> subprocess.CompletedProcess[str]:
        """Do as cron does with the line of deploy/cron."""
        command, variables = cron_line(project=self.folder, variables=self.variables)
        return self._run(["/bin/sh", "-c", command], "/", variables)

    def by_systemd(self) -> subprocess.CompletedProcess[str]:
        """Do as systemd does with the unit."""
        places = {"project": self.folder, "variables": self.variables}
        command, variables = unit("skipcast-monitor.service", **places)
        return self._run(command, self.folder, variables)

    def by_hand(self, *options: str) -> subprocess.CompletedProcess[str]:
        return self._run([SKIPCAST, "monitor", *options], self.folder, None)

    def _run(self, command, cwd, env) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command, cwd=cwd, env=env, capture_output=True, text=True, check=False
        )


@pytest.fixture(scope="module")
def project(logged_model, raw_plays, tracking, tmp_path_factory):
    mlflow.register_model(logged_model("logistic", with_training=True).uri, MODEL)
    Registry(MODEL).carry_out(Entry("promoted", 1, None, "the first"))
    folder = tmp_path_factory.mktemp("monitored")
    ids = raw_plays["session_id"].unique()[:SESSIONS]
    plays = raw_plays[raw_plays["session_id"].isin(ids)]
    replay(Model(folder / "usual"), plays)
    other = plays.assign(track_id_clean="new " + plays["track_id_clean"], hour_of_day=3)
    replay(Model(folder / "drifted"), other)
    wrong = RequestLog(folder / "wrong", megabytes=1, version="1", features=[], edges=None)
    answer_wrongly(wrong, sessions=60)
    (folder / ".venv").mkdir()
    (folder / ".venv/bin").symlink_to(SCRIPTS)
    variables = folder / "skipcast.env"
    variables.write_text(f"# of the service\nMLFLOW_TRACKING_URI='{tracking}'\n")
    return Project(folder, variables)


def promise(*accuracy: float) -> None:
    """Let the ledger say what the test sessions said of version 1."""
    scores = {"accuracy": [*accuracy], "log_loss": [0.4, 0.39, 0.41]}
    Registry(MODEL).carry_out(Entry("kept", 1, 1, "it is the champion already", scores=scores))


@pytest.fixture(scope="module")
def well(project):
    """What it says where nothing is wrong."""
    project.set_params("usual")
    promise(0.6, 0.5, 0.65)
    return project.by_cron()


def days_in_mlflow() -> list[Run]:
    return mlflow.search_runs(experiment_names=[f"{MODEL}-live"], output_format="list")


def test_cron_runs_its_line_and_all_is_well(well):
    assert well.returncode == 0, well.stdout + well.stderr
    assert "Version 1, last 7 days: all is well." in well.stdout


def test_intervals_stand_beside_those_of_the_test_sessions(well):
    rows = [line for line in well.stdout.splitlines() if "..0." in line]
    assert len(rows) >= 2
    assert rows[-1].split()[1:6] == ["test", "sessions", "│", "1", "│"]
    assert "0.6000 (0.5000..0.6500)" in rows[-1]


def test_a_day_is_a_run_with_its_figures(project, well):
    answers = read_log(project.folder / "usual").answers
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


def test_systemd_runs_its_command_and_too_little_is_no_fault(project, well):
    before = len(days_in_mlflow())
    project.set_params("usual", monitor={"sessions": 1000})
    done = project.by_systemd()
    assert done.returncode == 0, done.stdout + done.stderr
    assert "too few outcomes to tell accuracy and calibration: 40 sessions have any, of 1000" in (
        done.stdout
    )
    assert "all is well" not in done.stdout
    assert len(days_in_mlflow()) == before


def test_accuracy_below_that_of_the_test_sessions_is_exit_code_3(project, well):
    project.set_params("usual")
    promise(0.999, 0.998, 1.0)
    done = project.by_hand()
    assert done.returncode == 3, done.stdout + done.stderr
    assert (
        "Version 1, last 7 days: live accuracy must reach that of the test sessions, 0.9990 "
        "(0.9980..1.0000), but is 0." in done.stdout
    )


def test_calibration_above_its_limit_is_exit_code_3(project, well):
    project.set_params("wrong")
    promise(0.0, 0.0, 0.0)
    done = project.by_hand()
    assert done.returncode == 3, done.stdout + done.stderr
    assert "the calibration error must be at most 0.05 (promote.max_ece) but is 0.9" in done.stdout
    assert "live accuracy must" not in done.stdout


def test_drift_above_its_limits_is_exit_code_3(project, well):
    project.set_params("usual")
    promise(0.6, 0.1, 0.65)
    done = project.by_hand("--log", "drifted", "--out", "other.png")
    assert done.returncode == 3, done.stdout + done.stderr
    assert "population stability index of hour_" in done.stdout
    assert "must be at most 0.25 (monitor.stability) but is" in done.stdout
    assert "unknown tracks must be at most 0.05 (monitor.unknown_tracks) but is 1.0" in done.stdout
    assert (project.folder / "other.png").exists()


@pytest.mark.usefixtures("well")
def test_nothing_is_trained_while_a_newer_champion_waits(capsys):
    _retrain(Registry(MODEL), "0")
    assert "The champion is version 1 already, so nothing is trained" in capsys.readouterr().out
