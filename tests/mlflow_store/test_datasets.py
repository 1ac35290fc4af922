"""The parts of the plays as MLflow's datasets."""

import pytest

from skipcast.mlflow_store.datasets import as_input, dataset
from skipcast.params import Split

SPLIT = Split(validation=0.1, test=0.1, seed=0)


def test_the_same_plays_and_split_have_the_same_digest():
    assert dataset("test", "7", SPLIT).digest == dataset("test", "7", SPLIT).digest


@pytest.mark.parametrize(
    ("data", "split"), [("8", SPLIT), ("7", SPLIT.model_copy(update={"seed": 1}))]
)
def test_other_plays_or_another_split_have_another_digest(data, split):
    assert dataset("test", data, split).digest != dataset("test", "7", SPLIT).digest


@pytest.mark.parametrize(
    ("part", "context"), [("train", "training"), ("validation", "validation"), ("test", "testing")]
)
def test_the_ui_names_what_a_part_is_for(part, context):
    (tag,) = as_input(dataset(part, "7", SPLIT)).tags
    assert (tag.key, tag.value) == ("mlflow.data.context", context)
