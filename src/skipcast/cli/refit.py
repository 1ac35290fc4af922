"""The command of the stage `refit`."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from skipcast.artifacts import Refit, SearchResult
from skipcast.cli.pool import open_cluster
from skipcast.cli.search import console, print_result, read_job
from skipcast.params import Cluster, read_params

if TYPE_CHECKING:  # commands that do not fit start faster without
    from skipcast.models.families import Family
    from skipcast.models.family import OnRound, Params
    from skipcast.search.plays import Plays
    from skipcast.search.refit import Place


def refit() -> None:
    """Fit the best of each family on all plays, where the search used a sample of them."""
    from skipcast.database.server import server
    from skipcast.search import refit as stage
    from skipcast.search.plays import takes_all

    params = read_params()
    job, result = read_job(params), SearchResult.read()
    if takes_all(job):
        stage.check_search(job, result)
        Refit(**result.model_dump()).write()
        console.print("The trials used all plays: their models stay as they are.")
        return
    with server() as url, place_of(params.cluster) as place:
        refitted = stage.refit(
            job,
            url,
            result,
            lambda family: console.status(f"Fitting {family} on all plays"),
            place=place,
        )
    refitted.write()
    print_result(refitted)


@contextmanager
def place_of(params: Cluster) -> "Iterator[Place]":
    """Yield where models are fitted: here, or by the workers of a cluster."""
    from skipcast.search.refit import HERE, Place

    if params.scheduler is None:
        yield HERE
        return
    with open_cluster(params) as pool:
        from skipcast.distributed import fits
        from skipcast.distributed.shards import Shares

        count = params.workers or len(pool.watch.living())

        def fit(
            family: "Family", params: "Params", plays: "Plays", on_round: "OnRound", seed: int
        ) -> Any:
            shares = Shares(plays.train, plays.validation, count)
            return fits.fit(pool, family, params, shares, seed=seed, on_round=on_round)

        yield Place(count, fit)
