"""The data dictionary: `python -m skipcast.features.dictionary` writes it into docs/features.md."""

from pathlib import Path

from skipcast.features.build import GROUPS
from skipcast.schema import HORIZONS

PAGE = Path("docs/features.md")
BEGIN, END = "<!-- dictionary -->\n", "<!-- end of dictionary -->\n"


def data_dictionary() -> str:
    """Return the features as Markdown tables: one per group, a row per column, in their order."""
    lines: list[str] = []
    for group, features in GROUPS.items():
        lines += [f"### {group}", "", "| column | meaning | horizons |", "| --- | --- | --- |"]
        for feature in features:
            horizons = ", ".join(horizon for horizon in HORIZONS if feature.known(horizon))
            meaning = " ".join(feature.meaning.split())
            lines.append(f"| `{feature.name}` | {meaning} | {horizons} |")
        lines.append("")
    return "\n".join(lines)


def main() -> None:
    """Replace the dictionary between its marks in docs/features.md."""
    text = PAGE.read_text(encoding="utf-8")
    before, rest = text.split(BEGIN)
    after = rest.split(END)[1]
    PAGE.write_text(f"{before}{BEGIN}{data_dictionary()}{END}{after}", encoding="utf-8")


if __name__ == "__main__":
    main()
