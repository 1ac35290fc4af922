"""Figures of histories: nothing is cut off, nothing warns, and names are shown as they can be."""

import warnings
from functools import cache

import numpy as np
import pytest
from harness.figures import is_whole, title_of
from harness.own_history import ARTISTS, own_history
from matplotlib.figure import Figure

from skipcast.evaluation import listening_plots
from skipcast.evaluation.lettering import LACKING, drawable
from skipcast.evaluation.listening import HOURS, LEAST_PLAYS, listenings
from skipcast.evaluation.listening_plots import Caption
from skipcast.evaluation.look_up import LookUp
from skipcast.promotion.listening import draw

CAPTION = Caption("skipped within 30 s", "Europe/Berlin", synthetic=True)
HISTORIES = {
    "of 3 plays": {"plays": 3, "days": 1},
    "of one artist": {"plays": 300, "artists": 1, "days": 20},
    "of some months": {"plays": 3000, "days": 200, "artists": 15},
    "of years": {"plays": 150_000, "days": 2600, "artists": 900},
    "with empty months": {"plays": 60, "days": 4000},
}


@cache
def shown_and_names(name):
    plays, names = own_history(**HISTORIES[name])
    return next(listenings(plays)), LookUp.of(names)


@pytest.mark.parametrize("history", HISTORIES)
def test_all_figures_are_whole_and_nothing_warns(history):
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # such as of a letter that no font has
        for _, figure in draw(*shown_and_names(history), CAPTION):
            assert is_whole(figure)
            assert "synthetic" in title_of(figure)


def test_a_real_history_is_not_called_synthetic():
    shown, names = shown_and_names("of 3 plays")
    for _, figure in draw(shown, names, Caption("skipped", "UTC", synthetic=False)):
        assert "synthetic" not in title_of(figure)


def texts(figure: Figure) -> list[str]:
    return [text.get_text() for axes in figure.axes for text in axes.texts]


def test_the_hours_have_their_plays_and_their_sums():
    shown, _ = shown_and_names("of some months")
    figure = listening_plots.when(shown, CAPTION)
    counts = texts(figure)
    assert len(counts) == (7 + 1) * (HOURS + 1)
    by_day = shown.hours.groupby("weekday")["plays"].sum()
    assert counts[HOURS] == str(by_day[0])
    assert counts[0] == (str(shown.hours["plays"][0]) if shown.hours["plays"][0] else "")
    assert "Europe/Berlin" in figure.axes[0].get_xlabel()


def test_a_month_of_few_plays_has_its_plays_and_no_rate():
    shown, _ = shown_and_names("with empty months")
    figure = listening_plots.over_time(shown, CAPTION)
    rate = figure.axes[0].lines[-1].get_ydata()
    few = shown.periods["plays"].to_numpy() < LEAST_PLAYS
    np.testing.assert_array_equal(np.isnan(rate), few)
    assert 0 < few.sum() < len(few)
    assert sum(bar.get_height() for bar in figure.axes[1].patches) == shown.periods["plays"].sum()


def test_the_ranked_have_their_names_and_skips_of_plays():
    shown, names = shown_and_names("of years")
    labels = names.labels(shown.by_track["id"], tracks=True)
    figure = listening_plots.favourites(shown, "tracks", labels, CAPTION)
    ticks = [text.get_text() for text in figure.axes[0].get_yticklabels()]
    assert len(ticks) == 10
    assert all("\n" in tick for tick in ticks)
    assert all(" of " in text for text in texts(figure))


def test_listeners_are_compared_by_name():
    plays, names = own_history(2000, listeners=3)
    every, look_up = list(listenings(plays)), LookUp.of(names)
    labels = [look_up.listener(shown.listener) for shown in every]
    figure = listening_plots.listeners(every, labels, CAPTION)
    assert is_whole(figure)
    ticks = {text.get_text() for text in figure.axes[0].get_yticklabels()}
    assert ticks == {"listener-0", "listener-1", "listener-2"}


@pytest.mark.parametrize("name", ["فيروز", "אביב גפן", "Мумий Тролль", "Ænima é", "A$AP $ix"])
def test_a_script_that_matplotlib_has_is_drawn_as_it_is(name):
    assert drawable(name, 40) == name


@pytest.mark.parametrize("name", ARTISTS)
def test_any_name_has_only_letters_that_are_there(name):
    text = drawable(name, 30)
    assert drawable(text, 30) == text  # what is drawn has no letter that lacks
    assert len(text) <= 30
    assert text.isprintable()


def test_a_letter_that_no_font_has_leaves_a_mark():
    assert drawable("a\U0001f525b\U000f0000", 9) == f"a{LACKING}b"


def test_a_name_is_cut_where_it_gets_too_long():
    assert drawable("abc def ghi", 9) == "abc def…"
    assert drawable("abc", 3) == "abc"


def test_dollars_and_backslashes_are_no_formulas():
    plays, names = own_history(900, artists=11)
    shown = next(listenings(plays))
    labels = ["$x_1$" for _ in shown.by_artist["id"]]
    figure = listening_plots.favourites(shown, "artists", labels, CAPTION)
    ticks = [tick for axes in figure.axes for tick in axes.get_yticklabels()]
    assert {tick.get_parse_math() for tick in ticks} == {False}
    assert names is not None
