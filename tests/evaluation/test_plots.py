import subprocess
import sys

import numpy as np
import pytest

from skipcast.evaluation import plots


@pytest.fixture
def curves():
    rng = np.random.default_rng(0)
    probability = rng.random(500)
    skipped = rng.random(500) < probability
    return {"true": (skipped, probability), "guess": (skipped, rng.random(500))}


@pytest.mark.parametrize("draw", [plots.roc, plots.precision_recall, plots.reliability])
def test_curves_name_each_model_and_say_what_is_synthetic(curves, draw):
    axes = draw(curves, synthetic=True).axes
    labels = [text.get_text() for text in axes[0].get_legend().get_texts()]
    assert [name for name in curves if any(label.startswith(name) for label in labels)] == [*curves]
    assert "synthetic" in axes[0].get_title(loc="left")
    assert axes[-1].get_xlabel()
    assert all(axis.get_ylabel() for axis in axes)
    assert "synthetic" not in draw(curves).axes[0].get_title(loc="left")


def test_reliability_draws_the_bins_of_calibration(curves):
    axes = plots.reliability({"true": curves["true"]}).axes[0]
    predicted, happened = axes.lines[1].get_data()
    assert len(predicted) == 10
    np.testing.assert_allclose(predicted, happened, atol=0.2)


def test_importance_shows_the_greatest_first():
    axes = plots.importance(["a", "b", "c"], np.array([0.1, 0.3, 0.2]), top=2).axes[0]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["b", "c"]
    assert [bar.get_width() for bar in axes.patches] == [0.3, 0.2]
    assert axes.yaxis_inverted()


def test_a_saved_figure_is_the_same_bytes_again(curves, tmp_path):
    for name in ("one", "two"):
        plots.save(plots.roc(curves), tmp_path / "figures" / f"{name}.png")
    one, two = ((tmp_path / f"figures/{name}.png").read_bytes() for name in ("one", "two"))
    assert one == two
    assert one.startswith(b"\x89PNG")


def test_drawing_needs_no_screen_and_none_of_the_stages():
    code = (
        "import sys, skipcast.evaluation.plots\n"
        "unwanted = {'matplotlib.pyplot', 'mlflow', 'optuna', 'psycopg2', 'dvc'}\n"
        "assert not unwanted & set(sys.modules), unwanted & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
