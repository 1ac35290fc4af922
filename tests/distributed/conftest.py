"""A cluster of real programs for each test that asks for one."""

import pytest
from harness.clusters import own_cluster


@pytest.fixture
def own(tmp_path, monkeypatch):
    """Return a cluster without workers; the test works in its folder."""
    monkeypatch.chdir(tmp_path)
    with own_cluster(tmp_path) as cluster:
        yield cluster
