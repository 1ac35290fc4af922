"""Figures of data and candidates: what they show is what they were given."""

import numpy as np
import pytest
from harness.figures import is_whole, title_of

from skipcast.evaluation import plots
from skipcast.evaluation.bootstrap import Interval
from skipcast.evaluation.grid import Grid
from skipcast.evaluation.held_out import lively_session
from skipcast.params import Song
from skipcast.promotion import figures
from skipcast.schema import TARGET

SONGS = (
    Song(name="one", loudness=-16.8, energy=0.35, danceability=0.67, acousticness=0.48),
    Song(name="two", loudness=-8.3, energy=0.73, danceability=0.48, acousticness=0.73),
)


def test_session_shows_each_play_by_its_outcome(three_plays):
    axes = figures.session(three_plays, "loudness", synthetic=True).axes[0]
    not_skipped, skipped = (dots.get_offsets().tolist() for dots in axes.collections)
    assert not_skipped == [[2, 0.2]]
    assert skipped == [[1, 0.1], [3, 0.3]]
    assert axes.get_ylabel() == "loudness, dB"
    assert "synthetic" in axes.get_title(loc="left")


def test_the_lively_session_has_most_of_both_outcomes(plays):
    chosen = lively_session(plays)
    assert chosen["session_id"].nunique() == 1
    counts = plays.groupby("session_id")[TARGET].agg(["sum", "size"])
    best = np.minimum(counts["sum"], counts["size"] - counts["sum"]).max()
    assert min(chosen[TARGET].sum(), (~chosen[TARGET]).sum()) == best


def test_distributions_mark_each_song_where_it_lies(plays_and_tracks):
    figure = figures.distributions(plays_and_tracks[1], SONGS)
    for axes, feature in zip(figure.axes, figures.DISTRIBUTIONS, strict=True):
        marked = [line.get_xdata()[0] for line in axes.lines]
        assert marked == [getattr(song, feature) for song in SONGS]
        heights = [bar.get_height() for bar in axes.patches]
        assert sum(heights) == pytest.approx(100, abs=1)
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["one", "two"]


def test_correlation_is_that_of_the_acoustic_vectors(plays_and_tracks):
    tracks = plays_and_tracks[1]
    axes = figures.correlation(tracks).axes[0]
    shown = axes.images[0].get_array()
    expected = np.corrcoef(tracks["acoustic_vector_2"], tracks["acoustic_vector_5"])[0, 1]
    assert shown.shape == (8, 8)
    assert shown[2, 5] == pytest.approx(expected)


def test_accuracy_by_position_shows_the_first_models_interval():
    first = {1: Interval(0.6, 0.5, 0.7), 2: Interval(0.7, 0.6, 0.8)}
    other = {1: Interval(0.4, 0.3, 0.5), 2: Interval(0.5, 0.4, 0.6)}
    axes = figures.by_position({"candidate": first, "rule": other}).axes[0]
    assert [list(line.get_ydata()) for line in axes.lines] == [[0.6, 0.7], [0.4, 0.5]]
    (band,) = axes.collections
    assert band.get_paths()[0].get_extents().ymin == pytest.approx(0.5)
    assert band.get_paths()[0].get_extents().ymax == pytest.approx(0.8)


def test_accuracy_by_place_says_that_it_is_of_the_second_half():
    axes = figures.by_position({"a": {1: Interval(0.6, 0.5, 0.7)}}, half=True).axes[0]
    assert (axes.get_xlabel(), axes.get_title(loc="left")) == (
        "place in the second half", "Accuracy by place in the second half",
    )  # fmt: skip


def test_confusion_counts_what_was_by_what_was_called():
    skipped = np.array([True, True, True, False])
    axes = figures.confusion(
        Grid.of(skipped, np.array([0.9, 0.5, 0.1, 0.6])), family="LightGBM"
    ).axes[0]
    texts = [text.get_text().splitlines()[1] for text in axes.texts]
    assert texts == ["0 plays", "1 plays", "1 plays", "2 plays"]
    assert axes.images[0].get_array()[1, 1] == 0.5


def test_contributions_show_the_strongest_features_and_missing_values():
    rng = np.random.default_rng(0)
    given = rng.normal(0, (0.1, 2.0, 1.0), (200, 3))
    values = rng.random((200, 3), dtype=np.float32)
    values[:50, 1] = np.nan
    axes = figures.contributions(("a", "b", "c"), values, given, top=2, family="LightGBM").axes[0]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["b", "c"]
    missing, known = axes.collections[:2]
    assert (len(missing.get_offsets()), len(known.get_offsets())) == (50, 150)
    assert sorted(known.get_offsets()[:, 0]) == pytest.approx(sorted(given[50:, 1]))
    heights = np.concatenate([dots.get_offsets()[:, 1] for dots in (missing, known)])
    assert np.abs(heights).max() <= 0.5


LONG = tuple(f"a_feature_with_a_name_of_{i}_words" for i in range(10))


@pytest.fixture(scope="module")
def drawn(plays, plays_and_tracks):
    """Return each figure of a promotion, with the longest words that may be in it."""
    tracks, intervals = plays_and_tracks[1], {p: Interval(0.6, 0.5, 0.7) for p in range(1, 21)}
    answers = np.array([True, False] * 50), np.linspace(0.0, 1.0, 100)
    values = np.random.default_rng(0).random((100, 10), np.float32)
    names = ("candidate: logistic regression", "the article's recipe", "same as the last play")
    words = {"family": "logistic regression", "synthetic": True}
    return {
        "session": figures.session(lively_session(plays), "loudness", synthetic=True),
        "distributions": figures.distributions(tracks, SONGS, synthetic=True),
        "correlation": figures.correlation(tracks, synthetic=True),
        "by_position": figures.by_position(dict.fromkeys(names, intervals), synthetic=True),
        "confusion": figures.confusion(Grid.of(*answers), **words),
        "contributions": figures.contributions(LONG, values, values - 0.5, **words),
        "importance": plots.importance(LONG, np.linspace(10, 1, 10), **words),
    }


FIGURES = (
    "session", "distributions", "correlation", "by_position", "confusion", "contributions",
    "importance",
)  # fmt: skip


@pytest.mark.parametrize("name", FIGURES)
def test_nothing_is_cut_off(drawn, name):
    assert is_whole(drawn[name])


@pytest.mark.parametrize("name", FIGURES)
def test_the_title_says_that_the_data_are_synthetic(drawn, name):
    assert "synthetic" in title_of(drawn[name])


@pytest.mark.parametrize("name", ["confusion", "contributions", "importance"])
def test_the_title_of_one_models_figure_names_its_family(drawn, name):
    assert "logistic regression" in title_of(drawn[name])
