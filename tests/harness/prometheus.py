"""A real Prometheus that scrapes a server."""

import json
import shutil
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from harness.servers import free_port, running
from harness.waiting import wait_until

PROMETHEUS = shutil.which("prometheus")
needs_prometheus = pytest.mark.skipif(
    PROMETHEUS is None, reason="no prometheus: `apt-get install prometheus`"
)


def scrape(config: str, folder: Path) -> dict[str, Any]:
    """Return what Prometheus has found of `skipcast_plays_total`: its labels, and time and value.

    Args:
        config: Prometheus' own, in YAML.
        folder: where it runs; files that the configuration names are there.
    """
    (folder / "prometheus.yml").write_text(config)
    url = f"http://127.0.0.1:{free_port()}"
    command = [
        str(PROMETHEUS),
        f"--config.file={folder}/prometheus.yml",
        f"--storage.tsdb.path={folder}/data",
        f"--web.listen-address={url.removeprefix('http://')}",
    ]
    with running(command, f"{url}/-/ready", folder / "prometheus.log"):
        query = f"{url}/api/v1/query?query=skipcast_plays_total"

        def found() -> Any:
            return json.load(urllib.request.urlopen(query))["data"]["result"]

        wait_until(found, pause=0.2)
        first: dict[str, Any] = found()[0]
    return first
