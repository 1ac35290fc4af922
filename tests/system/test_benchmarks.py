"""The benchmarks run and print their lines; what they measure here says nothing."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.system
ROOT = Path(__file__).parents[2]
ONE_ROUND = r" \(1 round\)"


def run(name, *arguments):
    """Run a benchmark in the root of the project; return what it prints."""
    env = {key: value for key, value in os.environ.items() if not key.startswith("MLFLOW_")}
    done = subprocess.run(
        [sys.executable, ROOT / "benchmarks" / f"{name}.py", *arguments],
        cwd=ROOT,
        env={**env, "MLFLOW_TRACKING_URI": "sqlite:////nowhere/mlflow.db"},  # not the user's
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_search_prints_the_ratio_of_each_family_and_of_all():
    text = run("search", "logistic", "--quick")
    ratio = rf"ours does \d+\.\d\d times as many trials per minute{ONE_ROUND}"
    assert len(re.findall(ratio, text)) == 2


def test_batch_prints_the_ratio_and_compares_the_bits():
    text = run("batch", "logistic", "--quick")
    assert re.search(rf"the obvious way takes \d+\.\d\d times as long{ONE_ROUND}", text)
    assert "bit for bit" in text


def test_reading_prints_the_plays_a_second_of_each_way():
    text = run("reading", "--quick")
    assert len(re.findall(r": [\d,]+ plays/s", text)) == 3


def test_features_prints_the_ratio_to_pandas_and_to_postgres():
    text = run("features", "--quick")
    for side in ("plain pandas", "Postgres"):
        ratio = rf"{side} .* times as long \(median of 2 rounds, \d+\.\d\d to \d+\.\d\d\)"
        assert re.search(ratio, text)
    assert re.search(r"without Postgres: \d+\.\d\d s, [\d,]+ plays/s", text)


@pytest.mark.skipif(shutil.which("wrk") is None, reason="wrk is not installed")
def test_serving_prints_the_ratios_to_the_empty_model():
    text = run("serving", "logistic", "--quick")
    ratio = rf"p50 of the model is \d+\.\d\d times that of the empty model{ONE_ROUND}"
    assert len(re.findall(ratio, text)) == 2
    assert re.search(rf"loading takes \d+\.\d\d times as long{ONE_ROUND}", text)


def test_challenge_prints_a_row_for_each_model():
    text = run("challenge", "--quick")
    assert "1 twins of 400 sessions (synthetic)" in text
    rows = re.findall(r"^\| .+ \| 0\.\d{4} \| 0\.\d{4} \| [+-]0\.", text, re.MULTILINE)
    assert len(rows) == 17


def test_submit_prints_the_rate_the_memory_and_the_steps():
    text = run("submit", "--quick")
    row = r"\| logistic +\| [\d,-]+ +\| [\d.]+ s +\| [\d.]+ s +\| \d+ MB +\| \d+ MB"
    assert re.search(row, text)
    assert re.search(r"\| of it: features +\| +[\d,]+\.\d +\|", text)


def test_chaos_kills_a_load_and_finds_all_as_it_was():
    text = run("chaos", "--quick")
    assert re.search(r"quick 0: at [\d.]+%: (killed|ended before)", text)
    assert re.search(r"^\| quick +\| +1 \| +[01] \| +0 \|", text, re.MULTILINE)


def test_cluster_prints_the_ratio_and_that_two_workers_answer_as_one_process():
    text = run("cluster", "fits", "--quick", "--family", "logistic")
    assert re.search(
        rf"\| logistic +\|.*\| \d+\.\d\d{ONE_ROUND} +\| at most \S+ apart +\| the same bytes", text
    )
