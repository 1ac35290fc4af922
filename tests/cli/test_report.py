"""What `skipcast report` prints of several listeners."""

import io

import pandas as pd
from rich.console import Console

from skipcast.cli.report import listener_table


def test_listeners_come_by_their_local_names(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "data").mkdir()
    names = {"id": ["a1"], "kind": ["listener"], "name": ["[red]Anna"], "artist": [None]}
    pd.DataFrame(names).to_parquet("data/names.parquet")
    scores = {"skip_rate": 0.25, "accuracy": 0.8125, "accuracy_low": 0.75, "accuracy_high": 0.875}
    scores |= {"log_loss": 0.4375, "rule_accuracy": 0.6875, "best_rule": "repeat_last"}
    console = Console(width=200, record=True, file=io.StringIO())
    console.print(listener_table([{"listener": x, "plays": 1000, **scores} for x in ("a1", "b2")]))
    anna, other = [line for line in console.export_text().splitlines() if "1000" in line]
    for cell in ("[red]Anna", "0.2500", "0.8125", "0.7500..0.8750", "0.4375"):
        assert f" {cell} " in anna
    assert "0.6875, same as the last play" in anna
    assert " b2 " in other
