from pathlib import Path

import pytest
import yaml

from skipcast.errors import SkipcastError
from skipcast.overrides import override
from skipcast.params import read_params

DEFAULTS = Path(__file__).parents[1] / "params.yaml"


def test_reads_the_defaults():
    params = read_params(DEFAULTS)
    assert params.fetch.source == "twin"
    assert params.fetch.rows is None
    assert params.features.horizon == "started"
    assert set(params.search.families) == {"logistic", "lightgbm", "xgboost"}


@pytest.mark.parametrize(
    ("section", "key", "value", "match"),
    [
        ("fetch", "row", 5, r"fetch\.row: Extra inputs are not permitted, got 5"),
        ("fetch", "rows", "many", r"fetch\.rows: .*whole number above 0, or all, .*'many'"),
        ("fetch", "rows", "100000", r"fetch\.rows: .*whole number .*'100000'"),
        ("fetch", "rows", 0, r"fetch\.rows: .*above 0, or all, or null, got 0"),
        ("fetch", "source", None, r"fetch\.source: .*string"),
        ("load", "schema", "a; DROP TABLE b", r"load\.schema: .*pattern"),
        ("features", "horizon", "finished", r"features\.horizon: .*'started'.*got 'finished'"),
        ("split", "test", 1.5, r"split\.test: .*less than 1, got 1\.5"),
        ("split", "test", 0.9, r"split: .*must be below 1"),
        ("search", "families", {"catboost": 3}, r"search\.families\.catboost"),
        ("search", "families", {"logistic": 0}, r"search\.families\.logistic: .*greater than 0"),
        ("search", "families", {"logistic": -2}, r"search\.families\.logistic: .*greater than 0"),
        ("search", "families", {}, r"search\.families: .*at least 1"),
        ("search", "objective", "auc", r"search\.objective: .*'accuracy' or 'log_loss'.*'auc'"),
        ("search", "workers", 0, r"search\.workers: .*greater than 0, got 0"),
        ("search", "space", {"xgboost": {"depth": [1, 2]}}, r"may name .*max_depth.* got depth"),
        ("search", "space", {"logistic": {"C": [9, 1]}}, r"C must go from low to high but got \[9"),
        ("search", "space", {"logistic": {"C": [0, 1]}}, r"C is logarithmic and must be above 0"),
        ("search", "space", {"lightgbm": {"num_leaves": [7.5, 9]}}, r"must be of whole numbers"),
        ("serve", "port", 65536, r"serve\.port: .*less than 65536, got 65536"),
        ("serve", "workers", 0, r"serve\.workers: .*greater than 0, got 0"),
        ("serve", "log", "", r"serve\.log: .*at least 1 character"),
        ("serve", "log_mb", 0, r"serve\.log_mb: .*greater than 0, got 0"),
        ("monitor", "days", 0, r"monitor\.days: .*greater than 0, got 0"),
        ("monitor", "sessions", 29, r"monitor\.sessions: .*greater than or equal to 30, got 29"),
        ("monitor", "unknown_tracks", 1.5, r"monitor\.unknown_tracks: .*less than or equal to 1"),
        ("demo", "port", -1, r"demo\.port: .*greater than or equal to 0, got -1"),
        ("promote", "songs", [{"name": ""}], r"promote\.songs\.0\.name: .*at least 1 character"),
        ("search", "seed", -1, r"search\.seed: .*greater than or equal to 0"),
    ],
)
def test_refuses_a_wrong_value_and_names_it(tmp_path, section, key, value, match):
    content = yaml.safe_load(DEFAULTS.read_text())
    content[section][key] = value
    path = tmp_path / "params.yaml"
    path.write_text(yaml.safe_dump(content))
    with pytest.raises(SkipcastError, match=match):
        read_params(path)


def test_the_limit_of_old_is_refused_and_the_key_of_today_named(tmp_path):
    """An accuracy of 0.85 is no share of errors: it must not be taken for one."""
    content = yaml.safe_load(DEFAULTS.read_text())
    del content["promote"]["too_good_share"]
    content["promote"]["too_good"] = 0.85
    path = tmp_path / "params.yaml"
    path.write_text(yaml.safe_dump(content))
    match = r"(?s)promote\.too_good_share: Field required.*promote\.too_good: Extra inputs"
    with pytest.raises(SkipcastError, match=match):
        read_params(path)


def test_lists_all_faults_at_once(tmp_path):
    path = tmp_path / "params.yaml"
    path.write_text("fetch: {}\nserver: {}\n")
    with pytest.raises(SkipcastError) as caught:
        read_params(path)
    for fault in ("fetch.rows: Field required", "server: Extra inputs", "split: Field required"):
        assert fault in str(caught.value)


def test_refuses_no_file_and_no_yaml(tmp_path):
    with pytest.raises(SkipcastError, match=r"params.yaml must be there.*root of the project"):
        read_params(tmp_path / "params.yaml")
    for content in (b"fetch: [", "fetch: {source: größe}".encode("latin-1")):
        (tmp_path / "params.yaml").write_bytes(content)
        with pytest.raises(SkipcastError, match="must be YAML"):
            read_params(tmp_path / "params.yaml")


def test_a_fault_names_where_the_rules_are(tmp_path):
    path = tmp_path / "params.yaml"
    path.write_text("fetch: {}\n")
    with pytest.raises(SkipcastError, match=r"the comments in params\.yaml say what each may be"):
        read_params(path)


def test_params_do_not_change():
    with pytest.raises(ValueError, match="frozen"):
        read_params(DEFAULTS).fetch.rows = 5


def test_refuses_a_list_in_place_of_sections(tmp_path):
    path = tmp_path / "params.yaml"
    path.write_text("[]")
    with pytest.raises(SkipcastError, match=r"params\.yaml: Input should be .*got \[\]"):
        read_params(path)


@pytest.mark.parametrize("horizon", ["started", "queued"])
def test_a_look_ahead_is_refused_where_nothing_is_known_of_plays_to_come(horizon):
    override([f"features.horizon={horizon}", "features.groups=[context, ahead]"])
    with pytest.raises(SkipcastError, match="groups must be without ahead at the horizon"):
        read_params(DEFAULTS)


def test_the_groups_of_the_second_half_look_ahead_by_default():
    assert "ahead" not in read_params(DEFAULTS).features.groups_of(listeners=False)
    override(["features.horizon=second_half"])
    for listeners in (False, True):
        assert read_params(DEFAULTS).features.groups_of(listeners=listeners)[-1] == "ahead"


def test_models_are_ranked_as_is_usual_for_the_horizon_or_as_params_say():
    assert read_params(DEFAULTS).rank_by == "accuracy"
    override(["features.horizon=second_half"])
    assert read_params(DEFAULTS).rank_by == "maa"
    override(["features.horizon=second_half", "search.rank_by=accuracy"])
    assert read_params(DEFAULTS).rank_by == "accuracy"
    override(["search.rank_by=maa"])
    with pytest.raises(SkipcastError, match=r"may be maa at features.horizon second_half but not"):
        read_params(DEFAULTS)
