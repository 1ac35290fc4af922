"""Model families: logistic regression, LightGBM, XGBoost.

- family: what a family is; families: all of them by name
- logistic, lightgbm, xgboost: a family each; boosting: what the last two share
- design, newton: the columns that logistic regression learns from, and how it finds their weights
"""
