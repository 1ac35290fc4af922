"""Names by id, and ids where nobody knows a name."""

from harness.own_history import own_history

from skipcast.evaluation.look_up import NAMELESS, LookUp

TABLE = own_history(9)[1]


def test_names_of_tracks_artists_and_listeners():
    look_up = LookUp.of(TABLE)
    assert look_up.artist("twin-a4") == "A$AP $ix"
    assert look_up.track("twin-t4-2") == ("Twin track 2 of A$AP $ix", "A$AP $ix")
    assert look_up.listener("twin-0") == "listener-0"


def test_what_has_no_name_is_called_by_its_id_or_nameless():
    look_up = LookUp.of(TABLE)
    assert look_up.artist("a9") == "a9"
    assert look_up.track("t9") == ("t9", "")
    assert look_up.artist("twin-a8") == NAMELESS  # an empty name


def test_a_file_that_is_not_there_knows_no_names(tmp_path):
    assert LookUp.read(tmp_path / "names.parquet").artist("a") == "a"


def test_a_file_is_read(tmp_path):
    TABLE.to_parquet(tmp_path / "names.parquet")
    assert LookUp.read(tmp_path / "names.parquet") == LookUp.of(TABLE)


def test_a_label_has_a_line_for_the_track_and_one_for_the_artist():
    look_up = LookUp.of(TABLE)
    assert look_up.labels(["twin-t12-0"], tracks=True) == [
        "Twin track 0 of two lines and\x07bells\ntwo lines and\x07bells"
    ]
    assert look_up.labels(["twin-a12"], tracks=False) == ["two lines and\x07bells"]
