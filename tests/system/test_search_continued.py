"""A search that asks for more trials, or for fewer, than one before it."""

from collections import Counter

import mlflow
import pytest
from harness.searches import check_complete, trials
from mlflow import MlflowClient

from skipcast.search.trials import search


@pytest.fixture(scope="module")
def make(make_job):
    """Return a function that makes a job by its name and its number of LightGBM trials."""
    return lambda name, count: make_job(name, families={"lightgbm": count})


@pytest.fixture(scope="module")
def two_then_three(make, postgres):
    """Search two trials, then three; return both results."""
    return [search(make("more", count), postgres) for count in (2, 3)]


def best(result):
    chosen = result.families["lightgbm"]
    return chosen.accuracy, chosen.log_loss


def test_more_trials_do_none_twice(two_then_three):
    names = Counter(run.info.run_name for run in trials("more"))
    assert names == {"lightgbm-000": 1, "lightgbm-001": 1, "lightgbm-002": 1}


def test_more_trials_are_children_of_the_same_run_which_ends_again(two_then_three, make, postgres):
    first, second = two_then_three
    assert second.run_id == first.run_id
    check_complete(make("more", 3), postgres, second)


def test_two_and_one_more_find_what_three_find(two_then_three, make, postgres):
    at_once = search(make("at_once", 3), postgres)
    assert best(two_then_three[1]) == best(at_once)


def test_more_trials_keep_the_model_that_was_the_best(two_then_three):
    """It may be in the registry."""
    for result in two_then_three:
        assert mlflow.pyfunc.load_model(result.candidate.model_uri).metadata.run_id


def test_fewer_trials_find_what_they_found_before(make, postgres):
    first = search(make("fewer", 2), postgres)
    search(make("fewer", 3), postgres)
    again = search(make("fewer", 2), postgres)
    assert best(again) == best(first)
    assert again.candidate == first.candidate
    assert len(trials("fewer")) == 3


def test_a_search_that_is_done_says_how_many_trials_were_requested(two_then_three):
    tags = MlflowClient().get_run(two_then_three[1].run_id).data.tags
    assert tags["trials"] == '{"lightgbm": 3}'
