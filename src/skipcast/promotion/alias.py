"""The champion's alias and address. No MLflow here: `skipcast predict` starts faster without."""

ALIAS = "champion"


def champion_uri(model: str) -> str:
    """Return MLflow's name of the champion of a registered model.

    >>> champion_uri("skipcast")
    'models:/skipcast@champion'
    """
    return f"models:/{model}@{ALIAS}"
