"""All model families by name: the one list of them.

Each library is imported only inside the family's methods: a server loads the one that it serves.
"""

from typing import Literal

from skipcast.models.family import ModelFamily
from skipcast.models.lightgbm import LightGBM
from skipcast.models.logistic import Logistic
from skipcast.models.xgboost import XGBoost

Family = Literal["logistic", "lightgbm", "xgboost"]  # the names of FAMILIES, for type checks

FAMILIES: dict[Family, ModelFamily] = {
    "logistic": Logistic(),
    "lightgbm": LightGBM(),
    "xgboost": XGBoost(),
}
