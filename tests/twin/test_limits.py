from skipcast.twin.limits import limits


def test_who_knows_the_hidden_state_predicts_better():
    visible, truth = limits().values()
    assert visible["accuracy"] < truth["accuracy"]
    assert visible["log_loss"] > truth["log_loss"]
