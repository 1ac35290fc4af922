"""What MLflow runs to make the served model: code in the model's folder instead of a pickle."""

import mlflow

from skipcast.serving.model import SkipModel

mlflow.models.set_model(SkipModel())
