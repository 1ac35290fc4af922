"""The three model families by name.

Each library is imported only by its own functions: a server loads the one that it serves.
"""

from typing import Literal

from skipcast.boosters import LIGHTGBM, XGBOOST
from skipcast.family import ModelFamily
from skipcast.logistic import LOGISTIC

Family = Literal["logistic", "lightgbm", "xgboost"]

FAMILIES: dict[Family, ModelFamily] = {
    "logistic": LOGISTIC,
    "lightgbm": LIGHTGBM,
    "xgboost": XGBOOST,
}
