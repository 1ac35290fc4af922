"""What the MLflow UI shows of searches to who opens it for the first time."""

import json

from mlflow import MlflowClient

from skipcast.mlflow_store.screen import NOTE, VIEW, champion_page, runs_page

KIND = "mlflow.experimentKind"  # which pages the UI offers for an experiment
SHOWN = ("metrics.`accuracy`", "metrics.`log_loss`", "metrics.`auc`", "attributes.`Models`")


def describe(client: MlflowClient, experiment_id: str, model: str) -> None:
    """Give an experiment a description, and the view of its runs to which it leads.

    Args:
        client: of the store.
        experiment_id: of the searches.
        model: under which name champions are registered.
    """
    view = {
        "orderByKey": SHOWN[0],
        "orderByAsc": False,
        "selectedColumns": SHOWN,
    }
    tags = {
        KIND: "custom_model_development",
        f"mlflow.sharedViewState.{VIEW}": json.dumps(view),
        # One line: the page hides the others.
        NOTE: f"A run for each trial. See [the trials by accuracy]({runs_page(experiment_id)}) "
        f"and [the champion]({champion_page(model)}).",
    }
    for key, value in tags.items():
        client.set_experiment_tag(experiment_id, key, value)
