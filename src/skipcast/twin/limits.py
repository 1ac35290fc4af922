"""How well a twin can be predicted at all, as `benchmarks/twin_optimum.py` computed it."""

import json
from importlib.resources import files

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
