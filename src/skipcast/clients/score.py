"""Score raw plays with a registered model in a process of its own: `score.py URI plays out`.

A model brings the package that it was trained with. In a process that has already imported this
one, MLflow would use this one's features instead, and an old champion would be judged by new code.
"""

import sys

import mlflow
import pandas as pd

if __name__ == "__main__":
    uri, plays, out = sys.argv[1:]
    model = mlflow.pyfunc.load_model(uri, model_config={"max_plays": sys.maxsize})
    # A server answers what is to come; a test needs the plays that have ended, too.
    model.predict(pd.read_parquet(plays), params={"score_history": True}).to_parquet(out)
