"""The log and the metrics of a real server with two workers, asked session by session."""

import os
import shutil
import urllib.request
from contextlib import suppress
from dataclasses import dataclass, replace
from http.client import HTTPException
from pathlib import Path

import mlflow
import pandas as pd
import psutil
import pytest
import yaml
from harness.clients import Endpoint, records
from harness.prometheus import needs_prometheus, scrape
from harness.replay import as_known, batch, replay
from harness.servers import ROOT, champion_server, free_port, running
from prometheus_client.parser import text_string_to_metric_families

from skipcast.cli.serve import CONFIG, _check_keeps_log, _prepare_log
from skipcast.clients.proxy import PLACES
from skipcast.errors import SkipcastError
from skipcast.promotion.ledger import Entry
from skipcast.promotion.registry import Registry
from skipcast.schema import OUTCOMES, REASON_END, THRESHOLD
from skipcast.serving.log_reader import read_log

NGINX = shutil.which("nginx", path=os.pathsep.join(PLACES))
SESSIONS = 40
MODEL = "live"


@dataclass(frozen=True)
class Live:
    """A server that was asked about sessions play by play."""

    folder: Path  # of the project
    url: str
    plays: pd.DataFrame  # that it was asked about
    pid: int

    @property
    def log(self) -> Path:
        return self.folder / "answers"

    def metrics(self) -> dict[str, float]:
        """Return all that /metrics tells, by name and labels."""
        text = urllib.request.urlopen(f"{self.url}/metrics").read().decode()
        return {
            " ".join([sample.name, *sample.labels.values()]): sample.value
            for family in text_string_to_metric_families(text)
            for sample in family.samples
        }


def make_project(folder: Path) -> None:
    """Write params.yaml of a project whose server keeps a log."""
    params = yaml.safe_load((ROOT / "params.yaml").read_text())
    params["promote"] |= {"model": MODEL, "samples": 200}
    params["serve"]["log"] = "answers"
    params["monitor"]["sessions"] = 30
    (folder / "params.yaml").write_text(yaml.safe_dump(params))


@pytest.fixture(scope="module")
def live(logged_model, raw_plays, tmp_path_factory):
    version = mlflow.register_model(logged_model("logistic", with_training=True).uri, MODEL).version
    scores = {"accuracy": [0.8, 0.79, 0.81], "log_loss": [0.4, 0.39, 0.41]}
    entry = Entry("promoted", int(version), None, "the first", scores=scores)
    Registry(MODEL).carry_out(entry)
    folder = tmp_path_factory.mktemp("live")
    make_project(folder)
    ids = raw_plays["session_id"].unique()[:SESSIONS]
    plays = raw_plays[raw_plays["session_id"].isin(ids)]
    with champion_server(folder, "--workers", "2") as (server, url):
        replay(Endpoint(f"{url}/invocations"), plays)
        yield Live(folder, url, plays, server.pid)


def test_live_accuracy_is_that_of_a_batch_of_the_same_plays(live):
    answers = read_log(live.log).answers
    assert len(answers) == len(live.plays)
    assert answers["skipped"].notna().all()
    probability = batch(Endpoint(f"{live.url}/invocations"), live.plays)
    skipped = live.plays["skip_2"].to_numpy(bool)
    assert 0.5 < ((probability >= THRESHOLD) == skipped).mean() < 1.0  # else equal says little
    in_log = (answers["probability"] >= THRESHOLD) == (answers["skipped"] == 1)
    assert in_log.mean() == ((probability >= THRESHOLD) == skipped).mean()
    assert sorted(answers["probability"]) == sorted(probability)


def test_the_log_names_nobody_and_nothing(live):
    text = "".join(path.read_text() for path in live.log.glob("*.jsonl"))
    for name in ("session_id", "track_id_clean"):
        assert not [value for value in live.plays[name].unique() if value in text]


def test_says_what_it_keeps_when_it_starts(live):
    port = live.url.rpartition(":")[2]
    printed = (live.folder / f"{port}.log").read_text()
    assert f"This server keeps in {live.log}, at most 100 MB: of each answer the time" in printed
    assert f'\n{CONFIG}=\'{{"log": "{live.log}", "log_mb": 100}}\' mlflow models serve' in printed


def test_metrics_add_up_over_the_workers(live):
    before = live.metrics()
    endpoint = Endpoint(f"{live.url}/invocations")
    session = as_known(live.plays[live.plays["session_id"] == live.plays["session_id"].iloc[0]])
    for _ in range(20):  # each over a connection of its own: both workers get some
        assert endpoint.post({"dataframe_records": records(session.head(5))})[0] == 200
    for body in (b"[]", b"{", b"{}"):
        assert endpoint.send(body)[0] == 400
    after = live.metrics()
    gain = {name: value - before.get(name, 0) for name, value in after.items()}
    assert gain["skipcast_requests_total 200"] == 20
    assert gain["skipcast_requests_total 400"] == 3
    assert gain["skipcast_request_seconds_count"] == 23
    assert gain["skipcast_request_seconds_bucket +Inf"] == 23
    assert gain["skipcast_plays_total"] == 100
    assert after["skipcast_plays_total"] > len(live.plays)


def test_metrics_tell_the_model_and_how_it_does(live):
    told = live.metrics()
    answers = read_log(live.log).answers.dropna(subset="skipped")
    right = ((answers["probability"] >= THRESHOLD) == (answers["skipped"] == 1)).mean()
    assert told["skipcast_live_accuracy 1"] == pytest.approx(right)
    assert told["skipcast_live_outcomes 1"] == len(answers)
    assert told["skipcast_mean_probability"] == pytest.approx(answers["probability"].mean())
    assert told["skipcast_unknown_track_share"] == 0.0
    assert told["skipcast_log_lost_total"] == 0.0
    assert [name for name in told if name.startswith("skipcast_model_info")] == [
        "skipcast_model_info logistic started brief 1"
    ]


def test_a_log_that_cannot_be_kept_is_told_before_the_server_starts(tmp_path):
    with pytest.raises(SkipcastError, match=r"/proc/none is none: .* or set it to null to keep no"):
        _prepare_log(Path("/proc/none"))
    model = {"flavors": {"python_function": {"config": {"threads": 1}}}}
    (tmp_path / "MLmodel").write_text(yaml.safe_dump(model))
    with pytest.raises(SkipcastError, match=r"serve\.log must be null for version 1, which an"):
        _check_keeps_log(tmp_path, 1)


@pytest.mark.skipif(NGINX is None, reason="no nginx: `apt-get install nginx-light`")
def test_nginx_passes_metrics_on_to_this_machine(live, tmp_path):
    folder, port = tmp_path / "deploy", free_port()
    shutil.copytree(ROOT / "deploy", folder)
    listen = folder / "listen.conf"
    listen.write_text(listen.read_text().replace("127.0.0.1:8080", f"127.0.0.1:{port}"))
    (folder / "upstream.conf").write_text(f"server {live.url.removeprefix('http://')};\n")
    command = [str(NGINX), "-p", f"{folder}/", "-c", "nginx.conf", "-g", "daemon off;"]
    url = f"http://127.0.0.1:{port}"
    with running(command, f"{url}/ping", tmp_path / "nginx.log"):
        assert replace(live, url=url).metrics().keys() == live.metrics().keys()


@needs_prometheus
def test_a_real_prometheus_scrapes_it(live, tmp_path):
    target = live.url.removeprefix("http://")
    found = scrape(
        "scrape_configs:\n- job_name: skipcast\n  scrape_interval: 200ms\n"
        f"  static_configs: [{{targets: ['{target}']}}]\n",
        tmp_path,
    )
    assert float(found["value"][1]) == live.metrics()["skipcast_plays_total"]


def test_a_worker_that_is_killed_loses_nothing_that_was_answered(live):
    """The last test: it leaves another worker than the one that the others asked."""
    answered = len(read_log(live.log).answers)
    (uvicorn,) = psutil.Process(live.pid).children()
    workers = [p for p in uvicorn.children() if "spawn_main" in " ".join(p.cmdline())]
    workers[0].kill()
    endpoint = Endpoint(f"{live.url}/invocations")
    session = as_known(live.plays[live.plays["session_id"] == live.plays["session_id"].iloc[0]])
    session.loc[session.index[-1], [*OUTCOMES, REASON_END]] = None
    count = 0
    while count < 5:
        with suppress(OSError, HTTPException):  # the connection that the killed one had
            assert endpoint.post({"dataframe_records": records(session)})[0] == 200
            count += 1
    log = read_log(live.log)
    assert len(log.answers) == answered + count
    assert log.broken == 0
    assert live.metrics()["skipcast_plays_total"] > len(live.plays)
