import json
import re
from pathlib import Path

import mlflow
import numpy as np
import pandas as pd
import pytest
from conftest import fit
from mlflow.exceptions import MlflowException

from skipcast.features import ALL, build_features
from skipcast.models import FAMILIES
from skipcast.params import Features
from skipcast.schema import LOG, OUTCOMES, REASON_END, TARGET, names
from skipcast.serving import complete_plays, example, log_model, signature

FEATURES = Features(horizon="started", groups=ALL)
REQUIRED = ["session_id", "session_position", "track_id_clean"]


@pytest.fixture(scope="module")
def fitted(plays):
    features = build_features(plays, "started")
    return fit("lightgbm", features.to_numpy(), plays[TARGET].to_numpy(), num_leaves=7)


@pytest.fixture(scope="module")
def served(fitted, plays_and_tracks, tracking):
    with mlflow.start_run():
        info = log_model(fitted, plays_and_tracks[1], family="lightgbm", features=FEATURES)
    return mlflow.pyfunc.load_model(info.model_uri)


def requests(plays, sessions=5):
    """Return the plays of some sessions as a client sends them: the last one's outcome unknown."""
    ids = plays["session_id"].unique()[:sessions]
    request = plays.loc[plays["session_id"].isin(ids), names(LOG)].astype(
        dict.fromkeys(OUTCOMES, object)
    )
    last = ~request["session_id"].duplicated(keep="last")
    request.loc[last, [*OUTCOMES, REASON_END]] = None
    return request.drop(columns="session_length")


def test_answers_as_the_features_stage_and_the_fitted_model_do(served, fitted, plays):
    request = requests(plays)
    answer = served.predict(request)
    features = build_features(plays, "started").loc[request.index]
    expected = FAMILIES["lightgbm"].predict(fitted, features.to_numpy())
    np.testing.assert_array_equal(answer["skip_probability"], expected)
    assert list(answer) == ["session_id", "session_position", "skip_probability", "skipped"]
    np.testing.assert_array_equal(answer["skipped"], expected >= 0.5)


def test_features_of_a_request_are_those_of_the_stage(plays_and_tracks, plays):
    request = requests(plays)
    tracks = plays_and_tracks[1].set_index("track_id")
    from_request = build_features(complete_plays(request, tracks), "started")
    from_stage = build_features(plays, "started").loc[request.index].reset_index(drop=True)
    pd.testing.assert_frame_equal(from_request, from_stage, check_exact=True)


def test_rows_may_come_in_any_order_and_are_answered_in_theirs(served, plays):
    request = requests(plays)
    shuffled = request.sample(frac=1, random_state=1)
    expected = served.predict(request).set_axis(request.index)
    got = served.predict(shuffled).set_axis(shuffled.index)
    pd.testing.assert_frame_equal(got.loc[request.index], expected)


def test_true_false_and_0_1_are_the_same(served, plays):
    request = requests(plays)
    numbers = request.copy()
    for name in OUTCOMES:
        numbers[name] = [None if value is None else int(value) for value in request[name]]
    pd.testing.assert_frame_equal(served.predict(numbers), served.predict(request))


def test_an_unseen_category_and_a_long_session_are_answered(served, plays):
    request = requests(plays, 1)
    strange = request.assign(context_type="aquarium", hist_user_behavior_reason_start="telepathy")
    assert served.predict(strange)["skip_probability"].between(0, 1).all()
    long = pd.concat([request.iloc[[0]]] * 60).assign(session_position=range(1, 61))
    assert len(served.predict(long)) == 60


def test_an_unknown_track_is_scored_with_the_features_of_the_request(served, plays):
    request = requests(plays, 1)
    known = served.predict(request)
    renamed = request.assign(track_id_clean="new-" + request["track_id_clean"])
    without = served.predict(renamed)
    assert not np.array_equal(without["skip_probability"], known["skip_probability"])
    tracks = plays.loc[request.index].drop(columns=[c for c in names(LOG) if c != "session_id"])
    inline = renamed.join(tracks.drop(columns="session_id"))
    pd.testing.assert_frame_equal(served.predict(inline), known)


@pytest.mark.parametrize(
    ("change", "match"),
    [
        (lambda r: r.drop(columns="track_id_clean"), r"missing inputs \['track_id_clean'\]"),
        (lambda r: r[r["session_position"] != 2], "must count 1, 2, 3, .* but got 3 after 1"),
        (lambda r: pd.concat([r, r.iloc[[0]]]), "must count 1, 2, 3, .* but got 1 after 1"),
        (
            lambda r: r.assign(skip_2=None),
            "skip_2 must be true, false, 0 or 1 for each play before",
        ),
        (lambda r: r.assign(skip_2="maybe"), "skip_2 must be a number, true, .* but got 'maybe'"),
        (lambda r: r.assign(skip_2=7), "skip_2 must be true, false, null, 0 or 1 but got 7"),
        (lambda r: r.assign(session_id=None), "session_id must be given"),
    ],
)
def test_refuses_a_wrong_request_and_names_the_field(served, plays, change, match):
    with pytest.raises(MlflowException, match=match) as caught:
        served.predict(change(requests(plays, 2)))
    assert caught.value.get_http_status_code() == 400


def test_the_example_is_made_up_and_answered(served):
    assert example()["session_id"].str.startswith("twin-").all()
    assert served.predict(example())["skip_probability"].between(0, 1).all()


def test_signature_asks_for_three_columns_only():
    required = [c.name for c in signature().inputs if c.required]
    assert required == REQUIRED


def test_the_folder_holds_no_pickle_and_our_files_no_path_of_this_machine(served):
    folder = Path(mlflow.artifacts.download_artifacts(f"models:/{served.metadata.model_id}"))
    files = [path for path in folder.rglob("*") if path.is_file()]
    assert not [path for path in files if re.search(r"\.(pkl|pickle|joblib)$", path.name)]
    here = str(Path(__file__).parents[1]).encode()
    # MLflow itself writes into MLmodel where it took the files from.
    ours = [path for path in files if path.name != "MLmodel"]
    assert not [path.name for path in ours if here in path.read_bytes()]
    about = json.loads((folder / "artifacts/model.json").read_text())
    assert about["family"] == "lightgbm"
