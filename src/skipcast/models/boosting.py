"""What LightGBM and XGBoost share: when a fit ends, and the ranges of common parameters."""

from skipcast.models.family import Params, Range

MAX_ROUNDS = 600  # boosting rounds; early stopping ends nearly all fits before
PATIENCE = 20  # rounds without a lower validation loss that end a fit

LEARNING_RATE = (0.05, 0.3)
COLSAMPLE = Range(0.2, 1.0, default=1.0)


def learned(rounds: int, params: Params) -> float:
    """Return how much a fit has learned, for `OnRound`: rounds x learning rate.

    >>> learned(4, {"learning_rate": 0.25})
    1.0
    """
    return float(rounds * params["learning_rate"])
