"""What benchmarks share with the tests. The path to tests/ is set here and nowhere else."""

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).parents[1] / "tests"))
from oracle import oracle_query
from scoring import Endpoint, records, requests, serving

__all__ = ["Endpoint", "oracle_query", "records", "requests", "serving"]
