"""What must be there before a judgement begins: it takes a while, and must not fail at its end."""

from skipcast.artifacts import REFIT, SearchResult
from skipcast.errors import SkipcastError
from skipcast.mlflow_store.client import store_errors
from skipcast.mlflow_store.files import missing_of_logged_model
from skipcast.mlflow_store.place import MAKE_AGAIN, VARIABLE
from skipcast.promotion.registry import Registry, store


def check_comparable(registry: Registry, version: int) -> None:
    """Refuse to judge a candidate against a champion of which only the name is left.

    Raises:
        SkipcastError: files of the version are gone or others than they were.
    """
    if fault := registry.files.fault(version):
        raise SkipcastError(
            f"{registry.files.of(version)}, the champion, {fault}. Bring them back "
            "from a backup; or go back to an earlier champion by `skipcast rollback`; or type "
            "`skipcast promote --without-champion` to judge the candidate as if it were the "
            "first."
        )


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
                f"{gone} is not there. Correct {VARIABLE} if it is in another store, or make "
                f"it again: {MAKE_AGAIN}."
            )
    version = registry.find(result.candidate.model_uri)
    if version is not None and (fault := registry.files.fault(version)):
        raise SkipcastError(
            f"{registry.files.of(version)}, the best model of {REFIT}, {fault}. Bring "
            f"them back from a backup, or make another one: {MAKE_AGAIN}."
        )
