"""The three model families by name.

Each library is imported only by its own functions: a server loads the one that it serves.
"""

from typing import Literal

from skipcast.models.family import ModelFamily
from skipcast.models.lightgbm import LIGHTGBM
from skipcast.models.logistic import LOGISTIC
from skipcast.models.xgboost import XGBOOST

Family = Literal["logistic", "lightgbm", "xgboost"]

FAMILIES: dict[Family, ModelFamily] = {
    "logistic": LOGISTIC,
    "lightgbm": LIGHTGBM,
    "xgboost": XGBOOST,
}
