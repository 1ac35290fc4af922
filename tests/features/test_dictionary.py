from pathlib import Path

from skipcast.features.build import GROUPS
from skipcast.features.dictionary import data_dictionary

PAGE = Path(__file__).parents[2] / "docs/features.md"


def test_the_dictionary_in_the_docs_is_current():
    assert data_dictionary() in PAGE.read_text(), "run `python -m skipcast.features.dictionary`"


def test_each_feature_has_a_row_under_its_group():
    sections = data_dictionary().split("### ")[1:]
    assert [section.split("\n")[0] for section in sections] == list(GROUPS)
    for section, blocks in zip(sections, GROUPS.values(), strict=True):
        features = [feature for block in blocks for feature in block.features]
        assert [f"| `{feature.name}` |" in section for feature in features] == [True] * len(
            features
        )
        assert section.count("\n| `") == len(features)


def test_a_row_names_the_horizons_that_know_the_feature():
    row = next(line for line in data_dictionary().splitlines() if line.startswith("| `length` |"))
    assert row == "| `length` | Number of plays of the session. | second_half |"
