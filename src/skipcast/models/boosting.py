"""Gradient boosted trees: LightGBM and XGBoost, trained natively on data binned once."""

from skipcast.models.family import Range

MAX_ROUNDS = 600  # of boosting; early stopping ends nearly all fits before
PATIENCE = 20  # rounds without a lower validation loss that end a fit

LEARNING_RATE = (0.05, 0.3)
COLSAMPLE = Range(0.2, 1.0, default=1.0)
