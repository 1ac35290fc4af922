"""What the MLflow UI shows of a search to who opens it for the first time."""

import json

from mlflow import MlflowClient

NOTE = "mlflow.note.content"  # shown as the description of an experiment, a run or a model
KIND = "mlflow.experimentKind"  # which of its views the UI opens
VIEW = "accuracy"  # the key of the shared view


def describe(client: MlflowClient, experiment_id: str) -> None:
    """Give an experiment a description, and a view of its runs that shows their accuracy."""
    link = f"#/experiments/{experiment_id}/runs?viewStateShareKey={VIEW}"
    tags = {KIND: "custom_model_development", NOTE: link}
    tags[f"mlflow.sharedViewState.{VIEW}"] = json.dumps(view())
    for key, value in tags.items():
        client.set_experiment_tag(experiment_id, key, value)


def view() -> dict[str, object]:
    """Return the state of the runs table: the most accurate first, with their scores."""
    shown = ["metrics.`accuracy`", "metrics.`log_loss`", "metrics.`auc`", "tags.`family`"]
    return {
        "searchFilter": "",
        "orderByKey": "metrics.`accuracy`",
        "orderByAsc": False,
        "selectedColumns": [*shown, "attributes.`Models`"],
    }
