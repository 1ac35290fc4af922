"""What benchmarks share with the tests. The path to tests/ is set here and nowhere else."""

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).parents[1] / "tests"))
from harness.clients import Endpoint, records, requests
from harness.clusters import own_cluster
from harness.models import log
from harness.replay import batch, replay
from harness.servers import model_server
from oracle import oracle_query

__all__ = [
    "Endpoint",
    "batch",
    "log",
    "model_server",
    "oracle_query",
    "own_cluster",
    "records",
    "replay",
    "requests",
]
