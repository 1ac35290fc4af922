import subprocess
import sys

import numpy as np
import pytest
from harness.figures import is_whole

from skipcast.evaluation import plots
from skipcast.evaluation.grid import Grid

CURVES = [plots.roc, plots.precision_recall, plots.reliability]


@pytest.fixture(scope="module")
def curves():
    rng = np.random.default_rng(0)
    probability = rng.random(500)
    skipped = rng.random(500) < probability
    return {"true": Grid.of(skipped, probability), "guess": Grid.of(skipped, rng.random(500))}


@pytest.mark.parametrize("draw", CURVES)
def test_the_legend_names_each_model(curves, draw):
    labels = [text.get_text() for text in draw(curves).axes[0].get_legend().get_texts()]
    assert [name for name in curves if any(label.startswith(name) for label in labels)] == [*curves]


@pytest.mark.parametrize("draw", CURVES)
@pytest.mark.parametrize("synthetic", [True, False])
def test_the_title_says_whether_the_data_are_synthetic(curves, draw, synthetic):
    title = draw(curves, synthetic=synthetic).axes[0].get_title(loc="left")
    assert ("synthetic" in title) == synthetic


@pytest.mark.parametrize("draw", CURVES)
def test_every_axis_has_a_label(curves, draw):
    axes = draw(curves).axes
    assert axes[-1].get_xlabel()
    assert all(axis.get_ylabel() for axis in axes)


@pytest.mark.parametrize("draw", CURVES)
def test_nothing_is_cut_off(curves, draw):
    assert is_whole(draw(curves, synthetic=True))


def test_the_roc_legend_has_the_auc():
    perfect = {"perfect": Grid.of(np.array([True, False]), np.array([0.9, 0.1]))}
    labels = [text.get_text() for text in plots.roc(perfect).axes[0].get_legend().get_texts()]
    assert "perfect, AUC 1.000" in labels


def test_reliability_draws_the_bins_of_calibration(curves):
    axes = plots.reliability({"true": curves["true"]}).axes[0]
    probability, share = axes.lines[1].get_data()
    assert len(probability) == 10
    np.testing.assert_allclose(probability, share, atol=0.2)


@pytest.fixture(scope="module")
def bars():
    return plots.importance(
        ["a", "b", "c"], np.array([0.1, 0.3, 0.2]), top=2, family="LightGBM", synthetic=True
    ).axes[0]


def test_importance_shows_the_features_that_move_most(bars):
    assert [label.get_text() for label in bars.get_yticklabels()] == ["b", "c"]


def test_importance_draws_a_bar_as_long_as_the_contribution(bars):
    assert [bar.get_width() for bar in bars.patches] == [0.3, 0.2]


def test_importance_has_the_greatest_above(bars):
    assert bars.yaxis_inverted()


@pytest.fixture(scope="module")
def png_bytes(curves, tmp_path_factory):
    folder = tmp_path_factory.mktemp("plots")
    for name in ("one", "two"):
        plots.save(plots.roc(curves), folder / "figures" / f"{name}.png")
    return [(folder / f"figures/{name}.png").read_bytes() for name in ("one", "two")]


def test_a_saved_figure_is_a_png(png_bytes):
    assert png_bytes[0].startswith(b"\x89PNG")


def test_the_same_figure_gives_the_same_bytes(png_bytes):
    assert png_bytes[0] == png_bytes[1]


def test_drawing_needs_no_screen_and_none_of_the_stages():
    code = (
        "import sys, skipcast.evaluation.plots\n"
        "unwanted = {'matplotlib.pyplot', 'mlflow', 'optuna', 'psycopg2', 'dvc'}\n"
        "assert not unwanted & set(sys.modules), unwanted & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
