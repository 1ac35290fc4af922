"""Who does the tasks of a stage: processes of this machine, or the workers of a cluster."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from skipcast.errors import SkipcastError
from skipcast.params import Cluster
from skipcast.workers import Pool, workers


@contextmanager
def open_workers(params: Cluster, count: int, *, reads_database: bool = False) -> Iterator[Pool]:
    """Yield who does the tasks, and end what was started for them.

    Args:
        params: without a scheduler, processes of this machine do.
        count: how many of these may compute, 1 or more; a cluster has as many as it has.
        reads_database: whether the tasks read from the database.

    Raises:
        SkipcastError: the extra `cluster` is not installed, or the cluster cannot do the work.
    """
    if params.scheduler is None:
        with workers(count) as pool:
            yield pool
        return
    try:
        from skipcast.distributed.cluster import open_cluster
    except ModuleNotFoundError as error:
        if (error.name or "").split(".")[0] not in ("dask", "distributed"):
            raise
        raise SkipcastError(
            f"cluster.scheduler {params.scheduler} must have the packages of the extra `cluster` "
            f"but {error.name} is missing. `pip install 'skipcast[cluster]'` installs them, or set "
            "cluster.scheduler to null."
        ) from error
    with open_cluster(params, Path.cwd(), reads_database=reads_database) as cluster:
        yield cluster
