"""The whole path in a temporary clone, with the real DVC, Postgres, MLflow and scoring server."""

import json
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest
from harness.clients import records
from harness.clones import Clone, make_clone
from harness.replay import answer_wrongly
from harness.servers import model_server
from mlflow import MlflowClient

from skipcast.artifacts import LoadReceipt, Metrics, Promotion
from skipcast.schema import LOG, OUTCOMES, names
from skipcast.serving.request_log import RequestLog

WIDE = 100  # columns of a terminal


@pytest.fixture(scope="module")
def new_clone(tmp_path_factory) -> Clone:
    """A clone in which nothing has run."""
    clone = make_clone(tmp_path_factory.mktemp("clone"), tmp_path_factory.mktemp("home"))
    clone.set_params(
        fetch={"twin_sessions": 300, "rows": 4000},
        search={"families": {"logistic": 2, "lightgbm": 2, "xgboost": 2}},
        split={"test": 0.3},
    )
    return clone


@pytest.fixture(scope="module")
def printed(new_clone) -> str:
    """What the first `dvc repro` printed."""
    return new_clone.must("dvc", "repro")


@pytest.fixture(scope="module")
def clone(new_clone, printed) -> Clone:
    """A clone in which `dvc repro` has run."""
    assert printed
    return new_clone


@pytest.fixture(scope="module")
def metrics(clone) -> Metrics:
    """What the first run says of its models."""
    return Metrics.read(clone.folder / "metrics")


@pytest.fixture(scope="module")
def receipt(clone) -> LoadReceipt:
    """What the first run has loaded."""
    return LoadReceipt.read(clone.folder / "data/receipt.json")


@pytest.fixture(scope="module")
def plays(clone) -> pd.DataFrame:
    """The plays of the clone."""
    return pd.read_parquet(clone.folder / "data/plays")


BASELINES = {"majority", "repeat_last", "last_outcome", "start_rate", "recipe"}
FAMILIES = {"logistic", "lightgbm", "xgboost"}


def test_metrics_have_the_documented_keys(metrics):
    assert set(metrics.validation) == FAMILIES
    assert set(metrics.test) == {"candidate"} | BASELINES | FAMILIES
    scores = {"accuracy", "log_loss", "brier", "auc", "calibration_error"}
    assert set(metrics.test["candidate"]) == scores
    assert set(metrics.test_low["candidate"]) == set(metrics.test_high["candidate"]) == scores


def test_every_family_has_learned_something(metrics):
    accuracies = [scores.accuracy for scores in metrics.validation.values()]
    assert all(0.5 < accuracy < 0.9 for accuracy in accuracies), accuracies


def test_the_first_champion_is_of_the_most_accurate_family(clone, metrics):
    best = max(metrics.validation.values(), key=lambda scores: scores.accuracy)
    promotion = Promotion.read(clone.folder / "reports/promotion.json")
    assert (promotion.decision, promotion.champion.version) == ("promoted", 1)
    assert metrics.validation[promotion.champion.family].accuracy == best.accuracy


@pytest.mark.parametrize("score", ["accuracy", "log_loss", "brier", "auc", "calibration_error"])
def test_the_candidates_scores_are_within_their_intervals(metrics, score):
    low, value, high = (
        scores["candidate"][score] for scores in (metrics.test_low, metrics.test, metrics.test_high)
    )
    assert low <= value <= high


def test_repeating_the_last_outcome_beats_the_majority(metrics):
    assert metrics.test["majority"]["accuracy"] < metrics.test["repeat_last"]["accuracy"]


def test_dvc_shows_a_row_of_metrics_for_each_model(clone):
    head, *rows = clone.must("dvc", "metrics", "show").splitlines()
    assert head.split() == ["Path", "accuracy", "auc", "brier", "calibration_error", "log_loss"]
    assert len(rows) == len({"candidate"} | BASELINES | FAMILIES) + len(FAMILIES) + 2
    assert max(map(len, (head, *rows))) <= WIDE


def test_a_run_on_the_twin_says_that_it_is_synthetic(printed, receipt):
    assert "synthetic" in printed
    assert receipt.synthetic is True


def test_every_play_is_loaded_and_gets_its_features(clone, receipt, plays):
    features = pd.read_parquet(clone.folder / "data/features")
    rows = receipt.tables["training_set"].rows
    assert rows >= 4000
    assert len(features) == len(plays) == rows


@pytest.fixture(scope="module")
def report(clone) -> str:
    return clone.must("skipcast", "report")


@pytest.mark.parametrize(
    "text",
    [
        "synthetic",
        "logistic",
        "lightgbm",
        "xgboost",
        "majority",
        "same as the last play",
        "mlflow ui",
        "mlflow models serve -m models:/skipcast@champion --env-manager local -p 5001",
    ],
)
def test_report_prints_the_table_and_what_to_type_next(report, text):
    assert text in report


def test_a_dry_promotion_tells_what_would_be_and_changes_nothing(clone):
    before = clone.outputs()
    told = clone.must("skipcast", "promote", "--dry-run")
    assert "would be kept (champion until now: version 1)" in told
    assert clone.outputs() == before


def test_the_history_of_promotions_is_printed(clone):
    history = clone.must("skipcast", "promote", "--history")
    assert history.count("version 1 promoted") == 1
    assert "there is no champion to compare with" in history


def test_the_first_champion_cannot_be_rolled_back(clone):
    refused = clone.run("skipcast", "rollback")
    assert refused.returncode == 1
    assert "must be an earlier champion of skipcast" in refused.stderr


def test_figure_draws_any_session_and_feature(clone, plays):
    options = ["--session", plays["session_id"].iloc[0], "--feature", "tempo", "--out", "tempo.png"]
    clone.must("skipcast", "figure", *options)
    assert (clone.folder / "tempo.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(("option", "value"), [("--session", "nobody"), ("--feature", "mode")])
def test_figure_refuses_what_there_is_not(clone, option, value):
    done = clone.run("skipcast", "figure", option, value)
    assert done.returncode == 1
    assert f"{option} must be" in done.stderr


def test_repro_again_does_nothing_and_says_so(clone):
    before = clone.outputs()
    assert "up to date" in clone.must("dvc", "repro")
    assert clone.outputs() == before


def test_monitor_retrains_by_dvc_and_lets_the_gate_decide(clone):
    """The champion has been wrong about all that it answered. Other params stay from here on."""
    log = RequestLog(clone.folder / "live", megabytes=1, version="1", features=[], edges=None)
    answer_wrongly(log, sessions=120)
    clone.set_params(serve={"log": "live"}, promote={"samples": 900})
    done = clone.run("skipcast", "monitor", "--retrain")
    assert done.returncode == 3, done.stdout + done.stderr
    assert "live accuracy must reach that of the test sessions, 0." in done.stdout
    assert "Running stage 'promote'" in done.stdout
    assert "The gate: version 1 is kept; the champion is version 1." in done.stdout
    again = clone.run("skipcast", "monitor", "--retrain")
    assert again.returncode == 3
    assert "Nothing was out of date, so nothing was trained" in again.stdout


@pytest.fixture(scope="module")
def endpoint(clone):
    """The champion, served as the README says."""
    log = clone.folder / "server.log"
    with model_server(
        "models:/skipcast@champion", log, cwd=clone.folder, env=clone.env
    ) as endpoint:
        yield endpoint


@pytest.fixture(scope="module")
def session(plays) -> pd.DataFrame:
    """The plays of a session as the log has them, the last one's outcome unknown."""
    one = plays.loc[plays["session_id"] == plays["session_id"].iloc[0], names(LOG)].astype(object)
    one.iloc[-1, [one.columns.get_loc(name) for name in OUTCOMES]] = None
    return one


@pytest.fixture(scope="module")
def answer(endpoint, session):
    status, answer = endpoint.post({"dataframe_records": records(session)})
    assert status == 200, answer
    return answer


def test_the_champion_answers_a_row_for_each_raw_play(answer, session):
    keys = ["session_id", "session_position"]
    assert [[row[key] for key in keys] for row in answer["predictions"]] == session[
        keys
    ].values.tolist()


def test_the_champion_scores_the_play_without_outcome(answer):
    *history, last = answer["predictions"]
    assert [row["skip_probability"] for row in history] == [None] * len(history)
    assert last["skipped"] == (last["skip_probability"] >= 0.5)


def flags(session):
    """Return a request whose outcomes are 0 and 1."""
    rows = records(session)
    return {"inputs": [{**r, **{n: r[n] and int(r[n]) for n in OUTCOMES}} for r in rows]}


def split(session):
    """Return a request that has the columns' names once."""
    return {"dataframe_split": json.loads(session.to_json(orient="split", index=False))}


@pytest.mark.parametrize("body", [flags, split])
def test_the_champion_answers_other_formats_alike(endpoint, session, answer, body):
    assert endpoint.post(body(session)) == (200, answer)


def test_the_champion_refuses_plays_without_their_track(endpoint, session):
    rows = records(session.drop(columns="track_id_clean"))
    status, refusal = endpoint.post({"dataframe_records": rows})
    assert status == 400
    assert "track_id_clean" in refusal["message"]


@pytest.fixture(scope="module")
def two_commits(clone) -> str:
    """Do as a user of DVC does: commit, change a value, run again, compare; commit that, too."""
    clone.must("git", "add", "dvc.lock", "metrics", "params.yaml")
    clone.must("git", "commit", "--quiet", "-m", "one")
    clone.set_params(promote={"seed": 1})
    clone.must("dvc", "repro", "promote")
    changed = clone.must("dvc", "metrics", "diff")
    clone.must("git", "commit", "--quiet", "-am", "two")
    return changed


CHANGED = Path("metrics/test_low/candidate.json")


def test_metrics_differ_from_the_last_commit(two_commits):
    assert f"{CHANGED}" in two_commits
    assert max(map(len, two_commits.splitlines())) <= WIDE


@pytest.mark.usefixtures("two_commits")
def test_metrics_differ_between_commits_in_what_has_changed_alone(clone):
    changed = clone.must("dvc", "metrics", "diff", "HEAD~1", "HEAD")
    assert f"{CHANGED}" in changed
    assert "metrics/test/candidate.json" not in changed


@pytest.mark.usefixtures("two_commits")
def test_plots_of_two_commits_are_laid_over_each_other(clone):
    clone.must("dvc", "plots", "diff", "-o", "compared", "HEAD~1", "HEAD")
    drawn = {path.name for path in (clone.folder / "compared/static").glob("*.png")}
    assert {f"{rev}_reports_figures_roc.png" for rev in ("HEAD", "HEAD~1")} <= drawn
    assert "ROC of the candidate" in (clone.folder / "compared/index.html").read_text()


@pytest.fixture(scope="module")
def shown(clone, two_commits) -> Path:
    """The page of `dvc plots show`."""
    assert two_commits
    clone.must("dvc", "plots", "show")
    return clone.folder / "dvc_plots/index.html"


def test_plots_of_the_present_are_shown_once(shown):
    text = shown.read_text()
    assert "Reliability of the candidate" in text
    assert "reports/curves/reliability.csv" not in text.replace("static/", "")


def test_git_ignores_the_page_of_the_plots(clone, shown):
    assert shown.exists()
    assert "dvc_plots" not in clone.must("git", "status", "--porcelain")


def test_without_network_the_page_shows_the_figures_and_says_what_the_curves_need(shown, browser):
    context = browser.new_context(offline=True, viewport={"width": 390, "height": 844})
    page = context.new_page()
    page.goto(shown.as_uri())
    notes = page.locator(".unreachable").all_inner_texts()
    assert len(notes) == 3
    assert all("cdn.jsdelivr.net" in note for note in notes)
    widths = "all => all.map((each) => each.naturalWidth)"
    assert min(page.locator("img").evaluate_all(widths)) > 0
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    context.close()


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
def restored(clone) -> Iterator[Clone]:
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
