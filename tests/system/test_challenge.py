"""The challenge, typed as its page says: a model for second halves, a submission, the server."""

import json
import re
import shlex

import pandas as pd
import pytest
from harness.clients import records
from harness.clones import Clone
from harness.servers import ROOT, model_server

from skipcast.features.table import LEADING_COLUMNS
from skipcast.models.families import FAMILIES
from skipcast.schema import LOG, names

SESSIONS = 40  # of the test set
URI = "models:/challenge@champion"
KEYS = ["session_id", "session_position"]


@pytest.fixture(scope="module")
def project(tmp_path_factory) -> Clone:
    """A folder with params.yaml alone and a test set, in which nothing has run."""
    project = Clone(tmp_path_factory.mktemp("project"), tmp_path_factory.mktemp("home"))
    (project.folder / "params.yaml").write_text((ROOT / "params.yaml").read_text())
    project.set_params(
        fetch={"twin_sessions": 400},
        load={"into": "none"},
        search={"families": {"logistic": 1, "lightgbm": 1}},
        split={"test": 0.3},
        promote={"samples": 100, "max_ece": 0.5},
    )
    project.must("skipcast", "twin", "--test-set", "kit", "--sessions", str(SESSIONS))
    return project


def submit(project: Clone, *options: str) -> str:
    """Return what a submission prints, refused or not."""
    command = ("skipcast", "submit", "--test-set", "kit", "--output", "submission.txt")
    return project.run(*command, *options).stderr


@pytest.fixture(scope="module")
def without_champion(project) -> str:
    return submit(project)


@pytest.fixture(scope="module")
def trained(project, without_champion) -> Clone:
    """The project after the command of the refusal."""
    command = re.search(r"`(skipcast run .+?)`", without_champion)
    assert command, without_champion
    project.must(*shlex.split(command[1]))
    return project


@pytest.fixture(scope="module")
def submitted(trained, without_champion) -> str:
    """What a submission prints with the option of the refusal."""
    option = re.search(r"add `(--model .+?)`", without_champion)
    assert option, without_champion
    return submit(trained, *shlex.split(option[1]))


def test_without_a_champion_the_horizon_is_told(without_champion):
    assert "models:/skipcast@champion, of the horizon second_half, must answer" in without_champion


def test_the_commands_of_the_refusal_make_a_submission(trained, submitted):
    assert f"{SESSIONS} sessions of 3 pairs of files answered" in submitted
    lines = (trained.folder / "submission.txt").read_text().splitlines()
    truth = (trained.folder / "kit/truth.txt").read_text().splitlines()
    assert [*map(len, lines)] == [*map(len, truth)]


def test_tracks_that_the_model_lacks_are_counted_with_the_remedy(submitted):
    assert re.search(
        r"\d+ of these plays \(\d+\.\d%\) are of tracks that the model lacks, and", submitted
    )
    assert "`--tracks FOLDER` names the official track features" in submitted


def test_without_the_option_the_model_that_is_there_now_is_named(trained):
    assert f"Add `--model {URI}`, which is one." in submit(trained)


def test_the_check_scores_the_submission(trained, submitted):
    assert submitted
    printed = trained.must(
        *("skipcast", "submit", "--check", "submission.txt", "--truth", "kit/truth.txt")
    )
    assert re.match(r"40 sessions: MAA 0\.\d{4}, FPA 0\.\d{4}", printed)


def test_the_card_shows_the_families_by_the_scores_of_the_challenge(trained):
    card = (trained.folder / "reports/model_card.md").read_text()
    assert re.search(r"\| family +\| accuracy +\| log loss +\| MAA +\| FPA +\|", card)
    assert re.search(r"\| logistic +(\| 0\.\d{4} +){4}\|", card)


@pytest.fixture(scope="module")
def asked(trained) -> pd.DataFrame:
    """Test sessions as the contract has them: of second halves, only what is known in advance."""
    plays = pd.read_parquet(trained.folder / "data/plays")[names(LOG)]
    features = pd.read_parquet(trained.folder / "data/features", columns=["session_id", "part"])
    test = features.loc[features["part"] == "test", "session_id"].unique()[:20]
    plays = plays[plays["session_id"].isin(test)].reset_index(drop=True)
    known = {"track_id_clean", *KEYS, "session_length"}
    later = [name for name in plays if name not in known]
    is_second = 2 * plays["session_position"] > plays["session_length"]
    plays = plays.astype(dict.fromkeys(later, object))
    plays.loc[is_second, later] = None
    return plays


@pytest.fixture(scope="module")
def expected(trained, asked) -> pd.Series:
    """What the champion's classifier answers for the features of the stage, by play."""
    result = json.loads((trained.folder / "data/refit.json").read_text())
    best = result["best"]
    uri = result["families"][best]["model_uri"].removeprefix("models:/")
    (file,) = trained.folder.glob(f"mlruns/*/models/{uri}/artifacts/artifacts/classifier")
    features = pd.read_parquet(trained.folder / "data/features")
    features = features[features["session_id"].isin(asked["session_id"])].set_index(KEYS)
    columns = [name for name in features if name not in LEADING_COLUMNS]
    family = FAMILIES[best]
    answer = family.predict(family.load(file, threads=1), features[columns].to_numpy())
    return pd.Series(answer, features.index)


def exact(answer: pd.DataFrame, expected: pd.Series) -> bool:
    given = answer.set_index(KEYS)["skip_probability"].dropna().astype(float)
    return bool(given.to_dict() == expected.to_dict() and len(given) > 100)


def test_the_server_answers_all_of_the_second_halves_with_the_bits_of_the_stage(
    trained, asked, expected
):
    log = trained.folder / "server.log"
    with model_server(URI, log, cwd=trained.folder, env=trained.env) as endpoint:
        status, answer = endpoint.post({"dataframe_records": records(asked)})
        assert status == 200, answer
        assert exact(pd.DataFrame(answer["predictions"]), expected)
        lacking = asked.assign(session_length=None)
        status, refusal = endpoint.post({"dataframe_records": records(lacking)})
        assert (status, "session_length" in str(refusal)) == (400, True)


def test_a_batch_answers_all_of_the_second_halves_with_the_bits_of_the_stage(
    trained, asked, expected
):
    asked.to_parquet(trained.folder / "asked.parquet")
    trained.must(
        *("skipcast", "predict", "--input", "asked.parquet", "--output", "answer.parquet"),
        *("--model", URI),
    )
    assert exact(pd.read_parquet(trained.folder / "answer.parquet"), expected)


@pytest.fixture(scope="module")
def other_horizon(trained, submitted) -> str:
    """What a promotion prints of a model of another horizon under the name of the champion."""
    assert submitted
    trained.set_params(
        features={"horizon": "queued"},
        promote={"model": "challenge"},
        search={"families": {"logistic": 1}},
    )
    done = trained.run("skipcast", "run", "features", "search", "refit", "promote")
    assert done.returncode == 1
    return done.stderr


def test_a_champion_of_another_horizon_stays_and_the_commands_of_the_refusal_work(
    trained, other_horizon
):
    theirs = "must be of the candidate's horizon, queued, to be compared with but version 1 is of"
    assert theirs in other_horizon
    apart, instead = re.findall(r"`(skipcast .+?)`", other_horizon)
    assert "no champion to compare with" in trained.run(*shlex.split(apart)).stderr
    printed = trained.must(*shlex.split(instead))
    assert "version 2 is promoted (champion until now: version 1)" in printed
    assert "it is of the horizon second_half, not queued" in printed
