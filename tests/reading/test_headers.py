"""What is said of columns that are not as they must be."""

import pytest

from skipcast.errors import SkipcastError
from skipcast.reading.headers import check_names, check_separator
from skipcast.schema import REQUIRED


@pytest.mark.parametrize(
    ("columns", "match"),
    [
        ([*REQUIRED, "premum"], r"got 'premum'\. Did you mean premium\?"),
        ([*REQUIRED, "moon"], r"got 'moon'\. docs/serving.md lists them"),
        ([*REQUIRED, ""], "got ''.* `index=False`"),
        (["Unnamed: 0", *REQUIRED], "got 'Unnamed: 0'.* `index=False`"),
        ([*REQUIRED, "date", "date"], "must come once but 'date' comes again"),
        (REQUIRED[1:], f"{REQUIRED[0]} must be given for each play"),
        ([], "session_id must be given"),
        ([";".join(REQUIRED)], "must be separated by commas but are by semicolons"),
    ],
)
def test_refuses_columns_and_says_why(columns, match):
    with pytest.raises(SkipcastError, match=match):
        check_names(columns)


@pytest.mark.parametrize(
    ("separator", "word"), [(";", "semicolons"), ("\t", "tabs"), ("|", "bars")]
)
def test_names_the_separator_of_a_header(separator, word):
    with pytest.raises(SkipcastError, match=f"by commas but are by {word}"):
        check_separator(separator.join(REQUIRED))


def test_takes_every_column_in_any_order():
    check_names([*reversed(REQUIRED), "skipped", "tempo"])
