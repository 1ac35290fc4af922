"""How well a twin can be predicted at all, as `benchmarks/twin_optimum.py` computed it."""

import json
from importlib.resources import files

from skipcast.artifacts import LoadReceipt
from skipcast.schema import Label

Limits = dict[str, dict[str, float]]


def limits() -> Limits:
    """Return accuracy and log loss, by the name of what would predict so well.

    They are means over all plays of five twins, for the horizon `started`; docs/twin.md says what
    they mean.

    >>> list(limits())
    ['best that can be seen', 'true probabilities']
    """
    text = files("skipcast.twin").joinpath("limits.json").read_text(encoding="utf-8")
    content: Limits = json.loads(text)
    return content


def limits_of(receipt: LoadReceipt, skip: Label) -> Limits:
    """Return the limits of the plays that were loaded, none where they are not the twin's.

    Args:
        receipt: what the stage `load` wrote.
        skip: what counts as a skip; the limits are of the twin's own skips.
    """
    is_twin = receipt.synthetic and not receipt.listeners
    return limits() if is_twin and skip == "brief" else {}
