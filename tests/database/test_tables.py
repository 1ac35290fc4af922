import pytest
from harness.tables import load_frames

from skipcast.artifacts import LoadReceipt
from skipcast.database.server import connect
from skipcast.database.tables import check_receipt, fingerprint
from skipcast.errors import SkipcastError
from skipcast.schema import LOG, TRACK, names

pytestmark = pytest.mark.usefixtures("postgres")
SCHEMA = "skipcast"


@pytest.fixture
def joined(three_plays):
    """Return one session of three plays with track features, of the types of the tables."""
    whole = [column.name for column in TRACK if column.type == "bigint"]
    listener = {"listener_id": "x", "artist_id": "y", "started_at": 1_700_000_000}
    return three_plays[names(LOG + TRACK[1:])].assign(**dict.fromkeys(whole, 1), **listener)


@pytest.fixture
def plays(joined):
    return joined[names(LOG)]


@pytest.fixture
def tracks(joined):
    return joined.rename(columns={"track_id_clean": "track_id"})[names(TRACK)]


def load(plays, tracks):
    tables = load_frames([plays], tracks, schema=SCHEMA)
    return LoadReceipt(
        into="postgres",
        database="embedded",
        schema=SCHEMA,
        synthetic=True,
        listeners=False,
        tables=tables,
    )


def check(receipt):
    with connect() as connection:
        check_receipt(connection, receipt)


def query(statement):
    with connect() as connection, connection.cursor() as cursor:
        cursor.execute(statement)
        return cursor.fetchall() if cursor.description else None


@pytest.fixture
def receipt(plays, tracks):
    return load(plays, tracks)


@pytest.mark.usefixtures("receipt")
def test_tables_have_the_columns_of_the_article():
    assert query(
        "SELECT table_name, count(*) FROM information_schema.columns "
        f"WHERE table_schema = '{SCHEMA}' GROUP BY 1 ORDER BY 1"
    ) == [("acoustic_vectors", 9), ("track_features", 22), ("training_set", 24)]


@pytest.mark.usefixtures("receipt")
def test_columns_have_the_types_of_the_article():
    types = query(
        "SELECT DISTINCT data_type FROM information_schema.columns "
        f"WHERE table_schema = '{SCHEMA}' ORDER BY 1"
    )
    assert [name for (name,) in types] == ["bigint", "boolean", "double precision", "text"]


@pytest.mark.usefixtures("receipt")
def test_tables_have_the_keys_of_the_article():
    assert query(
        "SELECT conrelid::regclass::text, contype FROM pg_constraint "
        f"WHERE contype IN ('p', 'f') AND connamespace = '{SCHEMA}'::regnamespace ORDER BY 1, 2"
    ) == [
        ("skipcast.acoustic_vectors", "f"),
        ("skipcast.acoustic_vectors", "p"),
        ("skipcast.track_features", "p"),
        ("skipcast.training_set", "f"),
        ("skipcast.training_set", "p"),
    ]


def test_the_fingerprint_counts_the_rows_of_each_table(receipt):
    rows = {table: content.rows for table, content in receipt.tables.items()}
    assert rows == {"track_features": 3, "acoustic_vectors": 3, "training_set": 3}


def test_loading_rows_in_another_order_gives_the_same_fingerprint(receipt, plays, tracks):
    assert load(plays[::-1], tracks[::-1]) == receipt


def test_another_value_gives_another_fingerprint(receipt, plays, tracks):
    other = load(plays.assign(hour_of_day=13), tracks)
    assert other.tables["training_set"] != receipt.tables["training_set"]


def test_the_fingerprint_can_be_taken_again(receipt):
    with connect() as connection:
        assert fingerprint(connection, schema=SCHEMA) == receipt.tables


def test_a_play_of_an_unknown_track_is_an_error(plays, tracks):
    with pytest.raises(SkipcastError, match="violates foreign key"):
        load(plays, tracks[1:])


def test_a_failed_load_leaves_the_tables_of_the_one_before(receipt, plays, tracks):
    with pytest.raises(SkipcastError, match="Nothing that was under way was written"):
        load(plays, tracks[1:])
    check(receipt)


def test_the_receipt_of_what_was_loaded_passes(receipt):
    check(receipt)


@pytest.mark.parametrize(
    "edit",
    [
        "UPDATE skipcast.training_set SET skip_2 = NOT skip_2 WHERE session_position = 1",
        "DELETE FROM skipcast.training_set WHERE session_position = 3",
        "DROP TABLE skipcast.acoustic_vectors",
        "DROP SCHEMA skipcast CASCADE",
    ],
)
def test_an_edited_database_is_an_error_that_names_the_remedy(receipt, edit):
    query(edit)
    with pytest.raises(SkipcastError, match="dvc repro --force load"):
        check(receipt)
