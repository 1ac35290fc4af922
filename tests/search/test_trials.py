"""When a trial is pruned; what a search does with it is in tests/system/test_search.py."""

import optuna
import pytest

from skipcast.search.trials import reporter

optuna.logging.set_verbosity(optuna.logging.WARNING)


@pytest.fixture(params=["accuracy", "log_loss"])
def new_trial(request):
    """Return a function that starts a trial after three with losses of 0.50 to 0.52.

    It returns the trial's losses and its callback.
    """
    objective = request.param
    direction = "maximize" if objective == "accuracy" else "minimize"
    pruner = optuna.pruners.MedianPruner(n_startup_trials=3)
    study = optuna.create_study(direction=direction, pruner=pruner)
    for level in (0.50, 0.51, 0.52):
        trial = study.ask()
        report = reporter(trial, [], objective)
        for learned in (0.4, 1.2, 2.4):
            report(learned, level)
        study.tell(trial, 0.5)

    def new():
        losses = []
        return losses, reporter(study.ask(), losses, objective)

    return new


def test_a_trial_far_behind_the_others_is_pruned(new_trial):
    _, report = new_trial()
    with pytest.raises(optuna.TrialPruned):
        report(1.1, 0.6)


def test_a_trial_that_has_learned_too_little_to_be_compared_is_not_pruned(new_trial):
    _, report = new_trial()
    report(0.9, 0.6)


def test_a_trial_ahead_of_the_others_is_not_pruned(new_trial):
    _, report = new_trial()
    report(1.1, 0.49)


def test_a_pruned_trial_keeps_all_its_losses(new_trial):
    losses, report = new_trial()
    report(0.9, 0.6)
    with pytest.raises(optuna.TrialPruned):
        report(1.1, 0.7)
    assert losses == [0.6, 0.7]
