"""What must be there before a judgement begins: it takes a while, and must not fail at its end."""

from skipcast.artifacts import REFIT, SearchResult
from skipcast.errors import SkipcastError
from skipcast.mlflow_store.client import store_errors
from skipcast.mlflow_store.files import missing_of_logged_model
from skipcast.mlflow_store.place import MAKE_AGAIN, VARIABLE
from skipcast.promotion.contents import horizon_of
from skipcast.promotion.registry import Registry, store
from skipcast.schema import HorizonName


def check_comparable(registry: Registry, version: int, horizon: HorizonName) -> None:
    """Refuse to judge a candidate of `horizon` against a champion that it cannot be compared with.

    Raises:
        SkipcastError: files of the version are gone or others than they were, or it knows other
            things when it predicts.
    """
    if fault := registry.files.fault(version):
        raise SkipcastError(
            f"{registry.files.of(version)}, the champion, {fault}. Bring them back "
            "from a backup; or go back to an earlier champion by `skipcast rollback`; or type "
            "`skipcast promote --without-champion` to judge the candidate as if it were the "
            "first."
        )
    if theirs := _other_horizon(registry, version, horizon):
        raise SkipcastError(
            f"The champion of {registry.name} must be of the candidate's horizon, {horizon}, to be "
            f"compared with but version {version} is of {theirs}: they know different things of a "
            "play, and answer different requests. To have a champion of each, change promote.model "
            f"or type `skipcast run promote --set features.horizon={horizon} --set "
            f"promote.model={registry.name}_{horizon}`. To put the candidate in its place, type "
            f"`skipcast promote --without-champion`, with features.horizon: {horizon} in "
            "params.yaml."
        )


def unfit_of(registry: Registry, version: int, horizon: HorizonName) -> str | None:
    """Return why a candidate of `horizon` cannot be compared with a champion; None if it can.

    Raises:
        SkipcastError: the registry does not answer.
    """
    if registry.files.fault(version):
        return "its files are gone or were changed"
    theirs = _other_horizon(registry, version, horizon)
    return theirs and f"it is of the horizon {theirs}, not {horizon}"


def _other_horizon(registry: Registry, version: int, horizon: HorizonName) -> str | None:
    """Return the horizon of a version; None if it is `horizon`, or its damaged files do not say."""
    try:
        theirs = horizon_of(f"models:/{registry.name}/{version}")
    except SkipcastError:
        return None
    return None if theirs == horizon else theirs


def check_candidate(registry: Registry, result: SearchResult) -> None:
    """Find out before the work that models or the ledger are not there.

    Raises:
        SkipcastError: a model of the search is not in this store, not whole, or was changed
            since it was registered; the ledger was deleted; or the registry does not answer.
    """
    registry.ledger.check()
    registry.files.check_key()
    for family, best in result.families.items():
        with store_errors(f"tell about the best {family} model"):
            gone = missing_of_logged_model(registry.client, best.model_uri)
        if gone is not None:
            raise SkipcastError(
                f"The best {family} model of {REFIT} must be in {store()} but "
                f"{gone}. Correct {VARIABLE} if it is in another store, or make "
                f"it again: {MAKE_AGAIN}."
            )
    version = registry.find(result.candidate.model_uri)
    if version is not None and (fault := registry.files.fault(version)):
        raise SkipcastError(
            f"{registry.files.of(version)}, the best model of {REFIT}, {fault}. Bring "
            f"them back from a backup, or make another one: {MAKE_AGAIN}."
        )
