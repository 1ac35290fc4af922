"""A listener's own model, from an export to a champion that a later export refreshes: typed."""

import json
import signal
import subprocess
import sys

import pandas as pd
import pytest
from harness.clients import records
from harness.clones import make_clone
from harness.histories import two_exports
from harness.servers import model_server
from mlflow import MlflowClient

from skipcast.artifacts import Metrics, Promotion
from skipcast.schema import LOG, OUTCOMES, REASON_END, names
from skipcast.twin.export import write_exports

# Kills its own process where it would do the step that its first argument names.
KILLED = """
import os, signal, sys
from mlflow import MlflowClient
from skipcast.cli.main import main
step, sys.argv[1:] = sys.argv[1], sys.argv[2:]
setattr(MlflowClient, step, lambda *_, **__: os.kill(os.getpid(), signal.SIGKILL))
main()
"""


@pytest.fixture(scope="module")
def exports(tmp_path_factory):
    """An export and a later one of the same listener."""
    return two_exports(tmp_path_factory.mktemp("exports"), plays=4000, seed=1)


@pytest.fixture(scope="module")
def clone(exports, tmp_path_factory):
    """A clone in which a model of the earlier export is champion, version 1."""
    made = make_clone(tmp_path_factory.mktemp("clone"), tmp_path_factory.mktemp("home"))
    made.set_params(
        fetch={"source": str(exports[0])},
        search={"families": {"lightgbm": 2, "logistic": 1}},
    )
    made.must("skipcast", "run")
    return made


def client(clone):
    return MlflowClient(f"sqlite:///{clone.folder}/mlflow.db")


def champion(clone):
    return int(client(clone).get_model_version_by_alias("skipcast", "champion").version)


def refuses(clone, *arguments):
    """Refresh what must be refused: one message, and the champion stays; return the message."""
    before = champion(clone)
    done = clone.run("skipcast", "refresh", *arguments)
    assert done.returncode == 1, done.stdout + done.stderr
    assert done.stderr.count("Error: ") == 1
    assert "Traceback" not in done.stdout + done.stderr
    assert champion(clone) == before
    return done.stderr


def test_the_served_candidate_is_asked_with_what_the_stage_knew(clone):
    """Else its test plays would know the listener's training sessions alone."""
    metrics = Metrics.read(clone.folder / "metrics")
    best = Promotion.read(clone.folder / "reports/promotion.json").candidate.family
    assert metrics.test["candidate"] == metrics.test[best]


def test_the_baselines_are_those_of_histories(clone):
    assert "track_last" in Metrics.read(clone.folder / "metrics").test


def test_the_reports_list_the_listener_by_a_hashed_id(clone):
    (listener,) = pd.read_parquet(clone.folder / "data/plays")["listener_id"].unique()
    evaluation = json.loads((clone.folder / "reports/evaluation.json").read_text())
    assert list(evaluation["listeners"]) == [listener]
    assert f"| `{listener}` | {evaluation['plays']} |" in (
        clone.folder / "reports/model_card.md"
    ).read_text(encoding="utf-8")


def test_no_slice_is_named_after_a_missing_value(clone):
    evaluation = json.loads((clone.folder / "reports/evaluation.json").read_text())
    slices = evaluation["slices"]["candidate"]
    assert set(slices) == {"position", "shuffle", "listener"}
    assert not {"none", "nan", "<na>"}.intersection(*map(list, slices.values()))


@pytest.mark.parametrize("step", ["log_model_artifacts", "set_registered_model_alias"])
def test_killed_in_the_middle_the_champion_stays(clone, step):
    before, answer = champion(clone), files_of_champion(clone)
    killed = subprocess.run(
        [sys.executable, "-c", KILLED, step, "refresh"],
        cwd=clone.folder,
        env=clone.env,
        capture_output=True,
        text=True,
        check=False,
    )
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    assert champion(clone) == before
    assert files_of_champion(clone) == answer


def files_of_champion(clone, *files):
    """Return the bytes of files of the champion, of all if none is named."""
    place = client(clone).get_model_version_download_uri("skipcast", str(champion(clone)))
    folder = clone.folder / place.removeprefix("file://")
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and (not files or path.name in files)
    }


@pytest.fixture(scope="module")
def loaded(clone):
    """What was printed when the champion was refreshed from Postgres."""
    return clone.must("skipcast", "refresh")


def test_the_plays_in_postgres_refresh_the_champion(clone, loaded):
    """Its own table ends with the training sessions, theirs with the last test session."""
    last = pd.read_parquet(clone.folder / "data/plays")["date"].max()
    assert f"up to {last}" in loaded
    assert "A server that runs goes on" in loaded


@pytest.mark.usefixtures("loaded")
def test_what_was_killed_before_is_ended(clone):
    experiments = [experiment.experiment_id for experiment in client(clone).search_experiments()]
    assert client(clone).search_runs(experiments, "attributes.status = 'RUNNING'") == []
    models = client(clone).search_logged_models(experiments)
    assert {model.status for model in models} == {"READY", "FAILED"}


@pytest.fixture(scope="module")
def refreshed(clone, loaded, exports):
    """The classifier before, and what was printed when a later export refreshed the champion."""
    assert "champion of skipcast" in loaded
    before = files_of_champion(clone, "classifier")
    data = clone.outputs()
    printed = clone.must("skipcast", "refresh", "--source", str(exports[1]))
    assert clone.outputs() == data
    return before, printed


def test_a_later_export_refreshes_the_champion_and_no_file_of_the_stages(clone, refreshed):
    before, printed = refreshed
    assert f"champion of skipcast is version {champion(clone)}, the refreshed version" in printed
    assert files_of_champion(clone, "classifier") == before


@pytest.mark.usefixtures("refreshed")
def test_the_history_of_promotions_tells_both_refreshes(clone):
    history = clone.must("skipcast", "promote", "--history")
    assert history.count(" refreshed\n") == 2
    assert "the listener table counts" in history


@pytest.fixture(scope="module")
def endpoint(clone, refreshed):
    """The refreshed champion, served as the README says."""
    assert refreshed
    log = clone.folder / "server.log"
    with model_server("models:/skipcast@champion", log, cwd=clone.folder, env=clone.env) as served:
        yield served


def test_the_endpoint_knows_the_listener_up_to_the_new_day(clone, endpoint, refreshed):
    plays = pd.read_parquet(clone.folder / "data/plays")[names(LOG)]
    last = plays[plays["session_id"] == plays["session_id"].iloc[-1]].astype(object)
    last.iloc[-1, [last.columns.get_loc(name) for name in (*OUTCOMES, REASON_END)]] = None
    status, answer = endpoint.post({"dataframe_records": records(last)})
    assert status == 200, answer
    (day,) = {row["history_until"] for row in answer["predictions"]}
    assert f"up to {day}." in refreshed[1]
    assert day > plays["date"].max()


def test_the_same_export_again_is_nothing_new(clone, refreshed, exports):
    assert refreshed
    before = champion(clone)
    printed = clone.must("skipcast", "refresh", "--source", str(exports[1]))
    assert "Nothing is new: the champion of skipcast counts all these plays already" in printed
    assert champion(clone) == before


def test_an_older_export_is_refused(clone, refreshed, exports):
    assert refreshed
    message = refuses(clone, "--source", str(exports[0]))
    assert "must be newer than what the champion knows" in message


def test_the_export_of_somebody_else_is_refused(clone, refreshed, tmp_path):
    assert refreshed
    (stranger,) = write_exports(tmp_path / "stranger", listeners=1, plays=4000, seed=2)
    message = refuses(clone, "--source", str(stranger))
    assert "must be of the champion's listeners" in message


@pytest.mark.usefixtures("refreshed")
@pytest.mark.parametrize("content", [None, b"session_id,session_position\na,1\n"])
def test_a_source_that_is_no_export_is_refused(clone, tmp_path, content):
    source = tmp_path / "plays.csv"
    if content is not None:
        source.write_bytes(content)
    assert "plays.csv" in refuses(clone, "--source", str(source))


@pytest.mark.usefixtures("refreshed")
def test_plays_in_postgres_that_name_no_listeners_are_refused(clone):
    receipt = clone.folder / "data/receipt.json"
    before = receipt.read_text()
    receipt.write_text(before.replace('"listeners": true', '"listeners": false'))
    assert "Name an export by --source" in refuses(clone)
    receipt.write_text(before)


@pytest.mark.usefixtures("refreshed")
def test_the_candidate_that_was_refreshed_is_kept(clone):
    before = champion(clone)
    printed = clone.must("skipcast", "promote")
    assert f"it is the champion already, refreshed as version {before}" in printed
    assert champion(clone) == before
    promotion = Promotion.read(clone.folder / "reports/promotion.json")
    assert promotion.champion.version == before


@pytest.fixture(scope="module")
def report(clone, refreshed):
    assert refreshed
    return clone.must("skipcast", "report")


def test_the_report_names_the_label_and_the_version_that_answers(clone, report):
    assert "features.skip brief" in report
    assert f"version {champion(clone)}" in " ".join(report.split())


def test_the_report_has_no_table_of_listeners_for_one(report):
    assert "by listener" not in report


@pytest.mark.usefixtures("refreshed")
def test_rollback_goes_back_to_the_version_before_the_refresh(clone):
    before = champion(clone)
    clone.must("skipcast", "rollback")
    assert champion(clone) < before
    clone.must("skipcast", "rollback", "--to", str(before))
    assert champion(clone) == before
