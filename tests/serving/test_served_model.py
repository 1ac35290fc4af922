"""The file that MLflow runs to make the served model."""

import runpy
from pathlib import Path

from mlflow.models import model

from skipcast.serving import packaging
from skipcast.serving.model import SkipModel


def test_hands_the_model_to_mlflow():
    runpy.run_path(str(Path(packaging.__file__).with_name("served_model.py")))
    assert isinstance(model.__mlflow_model__, SkipModel)
