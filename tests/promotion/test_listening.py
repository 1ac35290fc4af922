"""The figures of histories as files."""

import pytest
from harness.own_history import own_history

from skipcast.evaluation.look_up import LookUp
from skipcast.promotion.listening import write_listening

FIGURES = {"when.png", "over_time.png", "artists.png", "tracks.png"}


def write(folder, **history):
    plays, names = own_history(200, **history)
    write_listening(folder, plays, LookUp.of(names), skip="brief", timezone="UTC")
    return {str(path.relative_to(folder)) for path in folder.rglob("*.png")}


def test_one_listener_has_the_figures_in_the_folder(tmp_path):
    assert write(tmp_path / "reports/listening") == FIGURES


def test_each_of_several_has_a_folder_and_one_figure_compares_them(tmp_path):
    files = write(tmp_path / "listening", listeners=2)
    own = {f"twin-{who}/{name}" for who in (0, 1) for name in FIGURES}
    assert files == own | {"listeners.png"}


def test_those_of_listeners_before_are_gone(tmp_path):
    write(tmp_path / "listening", listeners=2)
    assert write(tmp_path / "listening") == FIGURES


def test_a_failure_leaves_those_of_before(tmp_path, monkeypatch):
    write(tmp_path / "listening")
    before = {path: path.read_bytes() for path in (tmp_path / "listening").iterdir()}
    monkeypatch.setattr("skipcast.evaluation.plots.save", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        write(tmp_path / "listening", listeners=2)
    assert {path: path.read_bytes() for path in (tmp_path / "listening").iterdir()} == before
    assert [path.name for path in tmp_path.iterdir()] == ["listening"]


def test_the_same_history_gives_the_same_bytes(tmp_path):
    for folder in ("a", "b"):
        write(tmp_path / folder)
    for name in FIGURES:
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()
