"""The command of the stage `refit`."""

from skipcast.artifacts import Refit, SearchResult
from skipcast.cli.search import console, print_result, read_job
from skipcast.params import read_params


def refit() -> None:
    """Fit the best of each family on all plays, where the search used a sample of them."""
    from skipcast.database.server import server
    from skipcast.search import refit as stage
    from skipcast.search.plays import takes_all

    job, result = read_job(read_params()), SearchResult.read()
    if takes_all(job):
        stage.check_search(job, result)
        Refit(**result.model_dump()).write()
        console.print("The trials used all plays: their models stay as they are.")
        return
    with server() as url:
        refitted = stage.refit(
            job, url, result, lambda family: console.status(f"Fitting {family} on all plays")
        )
    refitted.write()
    print_result(refitted)
