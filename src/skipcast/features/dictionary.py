"""The data dictionary: `python -m skipcast.features.dictionary` writes it into docs/features.md."""

from collections.abc import Iterable
from pathlib import Path

from skipcast.features.build import GROUPS
from skipcast.schema import HORIZONS

PAGE = Path("docs/features.md")
BEGIN, END = "<!-- dictionary -->\n", "<!-- end of dictionary -->\n"


def data_dictionary() -> str:
    """Return the features as Markdown tables: one per group, a row per column, in their order."""
    lines: list[str] = []
    for group, features in GROUPS.items():
        rows = []
        for feature in features:
            horizons = ", ".join(horizon for horizon in HORIZONS if feature.known(horizon))
            meaning = " ".join(feature.meaning.split())
            rows.append([f"`{feature.name}`", meaning, horizons])
        table = markdown_table(["column", "meaning", "horizons"], rows)
        lines += [f"### {group}", "", table, ""]
    return "\n".join(lines)


def markdown_table(heads: Iterable[str], rows: Iterable[Iterable[object]]) -> str:
    """Return a Markdown table, of the data dictionary, the model card and the benchmarks.

    tabulate would pad each column to its longest cell: the lines here would have 300 characters.

    >>> print(markdown_table(["a", "b"], [[1, 2]]))
    | a | b |
    | --- | --- |
    | 1 | 2 |
    """
    heads = list(heads)
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join("| " + " | ".join(map(str, line)) + " |" for line in lines)


def main() -> None:
    """Replace the dictionary between its marks in docs/features.md."""
    text = PAGE.read_text(encoding="utf-8")
    before, rest = text.split(BEGIN)
    after = rest.split(END)[1]
    PAGE.write_text(f"{before}{BEGIN}{data_dictionary()}{END}{after}", encoding="utf-8")


if __name__ == "__main__":
    main()
