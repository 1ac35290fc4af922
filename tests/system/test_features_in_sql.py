"""The oracle: features once more, in SQL, on a thousand sessions."""

import numpy as np
import pandas as pd
import pytest
from harness.tables import load_frames
from oracle import oracle_query

from skipcast.archive.sample import read_subset
from skipcast.database.server import connect
from skipcast.features.build import build_features, feature_set
from skipcast.features.table import join_tracks
from skipcast.schema import Group
from skipcast.twin.write import write_twin

GROUPS: tuple[Group, ...] = ("outcomes", "behaviour", "previous_track")
NAMES = list(feature_set("started", GROUPS).names)


@pytest.fixture(scope="module")
def tables(postgres, tmp_path_factory):
    """Return our features of a thousand sessions, and those of window functions in Postgres."""
    folder = tmp_path_factory.mktemp("oracle") / "mssd"
    write_twin(folder, sessions=1000, seed=11)
    plays, tracks = read_subset(folder, None, rows=10**6, seed=0)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DATABASE_URL", postgres)
        load_frames([plays], tracks, schema="oracle")
        with connect() as connection, connection.cursor() as cursor:
            cursor.execute(oracle_query(NAMES, "oracle"))
            rows = cursor.fetchall()
    ours = build_features(join_tracks(plays, tracks), "started", GROUPS)
    return ours, pd.DataFrame(rows, columns=NAMES, dtype=np.float64)


@pytest.mark.parametrize("name", NAMES)
def test_sql_window_functions_give_the_same(tables, name):
    ours, expected = (table[name].astype(np.float32) for table in tables)
    np.testing.assert_allclose(ours, expected, rtol=1e-5, atol=1e-6)
