"""Who does the tasks of a stage: processes of this machine, or the workers of a cluster."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from skipcast.errors import SkipcastError
from skipcast.params import Cluster
from skipcast.workers import Pool, workers

if TYPE_CHECKING:  # who has no cluster needs no Dask
    from skipcast.distributed.pool import DaskPool


@contextmanager
def open_workers(
    params: Cluster, count: int, *, variables: Sequence[str] = (), paths: Sequence[Path] = ()
) -> Iterator[Pool]:
    """Yield who does the tasks, and end what was started for them.

    Args:
        params: without a scheduler, processes of this machine do.
        count: how many of these may compute, 1 or more; a cluster has as many as it has.
        variables: of the environment, which decide what the tasks do.
        paths: files or folders that they read, outside the project.

    Raises:
        SkipcastError: as `open_cluster`.
    """
    if params.scheduler is None:
        with workers(count) as pool:
            yield pool
        return
    with open_cluster(params, variables=variables, paths=paths) as cluster:
        yield cluster


@contextmanager
def open_cluster(
    params: Cluster, *, variables: Sequence[str] = (), paths: Sequence[Path] = ()
) -> "Iterator[DaskPool]":
    """Yield the workers of a cluster.

    Args:
        params: with a scheduler.
        variables: of the environment, which decide what the tasks do.
        paths: files or folders that they read, outside the project.

    Raises:
        SkipcastError: the extra `cluster` is not installed, or the cluster cannot do the work.
    """
    try:
        from skipcast.distributed import checks, cluster
    except ModuleNotFoundError as error:
        if (error.name or "").split(".")[0] not in ("dask", "distributed"):
            raise
        raise SkipcastError(
            f"cluster.scheduler {params.scheduler} must have the packages of the extra `cluster` "
            f"but {error.name} is missing. `pip install 'skipcast[cluster]'` installs them, or set "
            "cluster.scheduler to null."
        ) from error
    needs = checks.Needs(tuple(variables), tuple(paths))
    with cluster.open_cluster(params, Path.cwd(), needs) as pool:
        yield pool
