"""A Dask cluster: of processes of this machine, or one that somebody has started."""

import logging
import os
import socket
import warnings
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import dask
from distributed import Client, LocalCluster

from skipcast.distributed.checks import Needs, check_workers
from skipcast.distributed.pool import DaskPool
from skipcast.distributed.watch import ANSWER_SECONDS, GONE_SECONDS
from skipcast.errors import SkipcastError
from skipcast.params import Cluster
from skipcast.processes import cpu_count
from skipcast.workers import own_code_first

DATABASE = "DATABASE_URL"
LOGGERS = (
    "distributed",
    *(f"distributed.{name}" for name in ("client", "nanny", "worker", "scheduler", "semaphore")),
)
WORKERS_SECONDS = 30  # until as many workers as are asked for are there
EMBEDDED = (
    "cluster.scheduler {scheduler} must have a database that its workers reach, but that of this "
    "project runs on this machine alone. Set load.into to none in params.yaml, or DATABASE_URL "
    "here and where the workers start."
)


@contextmanager
def open_cluster(params: Cluster, root: Path, needs: Needs) -> Iterator[DaskPool]:
    """Yield the workers of a cluster, after all checks.

    Args:
        params: which cluster, and how many workers it must have.
        root: the folder of the project, absolute, as the workers see it.
        needs: of the tasks.

    Raises:
        SkipcastError: the scheduler does not answer, there are too few workers, or one of them may
            not do the work; the message names it.
    """
    if params.scheduler != "local" and DATABASE in needs.variables and not os.environ.get(DATABASE):
        raise SkipcastError(EMBEDDED.format(scheduler=params.scheduler))
    for name in LOGGERS:
        logging.getLogger(name).setLevel(logging.CRITICAL)  # what matters is told in our words
    with ExitStack() as stack:
        client = stack.enter_context(_local(params) if params.scheduler == "local" else _at(params))
        _wait_for_workers(client, params)
        pool = DaskPool(client, root, str(params.scheduler))
        check_workers(pool, needs)
        yield pool


@contextmanager
def _local(params: Cluster) -> Iterator[Client]:
    """Start a process for each core, and end them all."""
    with (
        # Dask would give up a worker for good that a busy machine takes longer to start again.
        dask.config.set({"distributed.deploy.lost-worker-timeout": GONE_SECONDS}),
        own_code_first(),  # until the end: a worker that was killed is started again
        LocalCluster(
            n_workers=params.workers or cpu_count(),
            threads_per_worker=1,
            host="127.0.0.1",
            dashboard_address="127.0.0.1:0",  # the usual port may be taken
            memory_limit=0,  # a stage's own processes have none either
            silence_logs=logging.CRITICAL,
        ) as cluster,
        Client(cluster) as client,
    ):
        yield client


@contextmanager
def _at(params: Cluster) -> Iterator[Client]:
    """Connect to a scheduler; hang up in the end, whether it still answers or not."""
    try:
        with warnings.catch_warnings():  # of versions, which are checked, and in our words
            warnings.simplefilter("ignore")
            client = Client(params.scheduler, timeout=ANSWER_SECONDS)
    except (OSError, ValueError, socket.gaierror) as error:
        raise SkipcastError(
            f"cluster.scheduler must name a scheduler that answers but {params.scheduler} does not "
            f"within {ANSWER_SECONDS} s. Start one (`dask scheduler`, docs/scale_cluster.md), "
            "correct the address, or set cluster.scheduler to null."
        ) from error
    try:
        yield client
    finally:
        client.close(timeout=2)


def _wait_for_workers(client: Client, params: Cluster) -> None:
    wanted = params.workers or 1
    try:
        client.wait_for_workers(wanted, timeout=WORKERS_SECONDS)
    except TimeoutError as error:
        raise SkipcastError(
            f"The cluster {params.scheduler} must have {wanted} workers, as cluster.workers says, "
            f"but has {len(client.nthreads())} after {WORKERS_SECONDS} s. Start more (`dask worker "
            f"{client.scheduler.address} --nthreads 1`), or lower cluster.workers."
        ) from error
