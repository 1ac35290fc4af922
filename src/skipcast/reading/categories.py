"""Reasons and contexts that no feature knows: counted and told, because they count as missing."""

from collections import Counter

import pyarrow as pa
import pyarrow.compute as pc

from skipcast.reading.values import display
from skipcast.schema import CODES

CATEGORIES = tuple(name for name in CODES if name != "mode")  # a mode that is new is refused
SHOWN = 5  # texts in a sentence

NewTexts = Counter[tuple[str, str]]
"""How many plays have a text that is new, by column and text."""


def count_new(plays: pa.Table) -> NewTexts:
    """Count the plays with a reason or context that no feature knows.

    >>> count_new(pa.table({"context_type": ["radio", "aquarium", None, "aquarium"]}))
    Counter({('context_type', 'aquarium'): 2})
    """
    counts: NewTexts = Counter()
    for name in set(CATEGORIES).intersection(plays.column_names):
        for pair in pc.value_counts(plays[name]).to_pylist():
            if pair["values"] is not None and pair["values"] not in CODES[name]:
                counts[name, pair["values"]] += pair["counts"]
    return counts


def tell_new(counts: NewTexts) -> list[str]:
    """Return a sentence for each column that has texts that no feature knows.

    >>> tell_new(Counter({("context_type", "aquarium"): 2}))
    ["context_type of 2 plays is new to the model and counts as missing: 'aquarium' (2)."]
    """
    sentences = []
    for name in CATEGORIES:
        texts = Counter({text: number for (of, text), number in counts.items() if of == name})
        if texts:
            shown = ", ".join(f"{display(text)} ({n})" for text, n in texts.most_common(SHOWN))
            more = f" and {len(texts) - SHOWN} more" if len(texts) > SHOWN else ""
            sentences.append(
                f"{name} of {texts.total()} plays is new to the model and counts as missing: "
                f"{shown}{more}."
            )
    return sentences
