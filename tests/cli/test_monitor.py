"""Where `skipcast monitor` has nothing to read."""

import pytest

from skipcast.cli.monitor import _folder
from skipcast.errors import SkipcastError


def test_no_log_is_told_with_the_remedy(tmp_path):
    with pytest.raises(SkipcastError, match=r"serve\.log must name a folder .* but is null\. Set"):
        _folder(None)
    with pytest.raises(SkipcastError, match=r"a server has made but .*nothing is none\. Start"):
        _folder(str(tmp_path / "nothing"))
    assert _folder(str(tmp_path)) == tmp_path


def test_a_folder_may_be_named_by_a_variable(tmp_path, monkeypatch):
    monkeypatch.setenv("LIVE_LOGS", str(tmp_path))
    assert _folder("$LIVE_LOGS") == tmp_path
