"""Addresses in the MLflow UI, from its root."""

NOTE = "mlflow.note.content"  # the tag that is shown as a description, in Markdown
VIEW = "accuracy"  # the key of the view of the runs that shows their accuracy
# Without it, the UI's menu has no models: it shows the pages for language models first.
MENU = "workflowType=machine_learning"


def runs_page(experiment_id: str) -> str:
    """Return where the runs of a search are, the most accurate first.

    >>> runs_page("1")
    '#/experiments/1/runs?viewStateShareKey=accuracy&workflowType=machine_learning'
    """
    return f"#/experiments/{experiment_id}/runs?viewStateShareKey={VIEW}&{MENU}"


def champion_page(model: str) -> str:
    """Return where the versions of a registered model are.

    >>> champion_page("skipcast")
    '#/models/skipcast?workflowType=machine_learning'
    """
    return f"#/models/{model}?{MENU}"
