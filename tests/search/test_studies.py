"""Optuna's studies of a search, in memory: which trials are free, done and counted."""

from contextlib import closing
from functools import partial
from pathlib import Path

import optuna
import pytest
from optuna.trial import TrialState

from skipcast.database.server import open_in_schema
from skipcast.errors import SkipcastError
from skipcast.models.families import FAMILIES
from skipcast.params import read_params
from skipcast.search.studies import RUN, Studies, open_storage

PARAMS = read_params(Path(__file__).parents[2] / "params.yaml").search


@pytest.fixture
def make():
    """Return a function from the number of trials to studies, all in one storage."""
    storage = optuna.storages.InMemoryStorage()

    def studies(trials: int, **changes: object) -> Studies:
        changes = {"families": {"lightgbm": trials}, **changes}
        return Studies(storage, "fingerprint", PARAMS.model_copy(update=changes))

    return studies


def do(studies: Studies, slot: int, accuracy: float = 0.7, state=TrialState.COMPLETE) -> None:
    trial, _ = studies.ask("lightgbm", slot)
    trial.set_user_attr(RUN, f"run {slot}")
    trial.set_user_attr("accuracy", accuracy)
    value = 0.5 if state is TrialState.COMPLETE else None
    studies.by_family["lightgbm"].tell(trial, value, state)


def test_all_slots_are_free_at_first(make):
    assert make(3).slots("lightgbm") == ([0, 1, 2], False)


def test_a_slot_is_free_until_its_trial_begins_and_again_if_it_fails(make):
    studies = make(2)
    do(studies, 0, state=TrialState.FAIL)
    studies.ask("lightgbm", 1)
    assert studies.slots("lightgbm") == ([0], True)


def test_more_trials_leave_the_done_ones_done(make):
    do(make(1), 0)
    assert make(3).slots("lightgbm") == ([1, 2], False)


def test_fewer_trials_count_the_first_ones_alone(make):
    studies = make(2)
    do(studies, 0)
    do(studies, 1)
    assert [trial.user_attrs[RUN] for trial in make(1).complete("lightgbm")] == ["run 0"]


def test_the_first_trial_has_the_defaults_of_the_library(make):
    _, params = make(1).ask("lightgbm", 0)
    assert params == FAMILIES["lightgbm"].defaults({})


def test_a_trial_is_drawn_by_its_slot_and_within_narrowed_ranges(make):
    narrow = {"space": {"lightgbm": {"num_leaves": (3, 5)}}}
    _, params = make(2, **narrow).ask("lightgbm", 1)
    _, again = make(2, **narrow).ask("lightgbm", 1)
    assert params == again
    assert 3 <= params["num_leaves"] <= 5


def test_progress_counts_and_names_the_best(make):
    studies = make(4)
    do(studies, 0, 0.7)
    do(studies, 1, 0.8)
    do(studies, 2, state=TrialState.PRUNED)
    progress = studies.progress()["lightgbm"]
    assert (progress.complete, progress.pruned, progress.total) == (2, 1, 4)
    assert progress.accuracy == 0.8


def test_forgotten_studies_begin_anew_under_another_id(make):
    studies = make(1)
    do(studies, 0)
    before = studies.search_id
    studies.forget()
    assert studies.trials() == []
    assert studies.search_id != before


def test_requested_names_the_trials_of_each_family(make):
    assert make(7).requested == '{"lightgbm": 7}'


def set_versions(url: str, schema: str, *, tables: str, library: str) -> None:
    """Have Optuna's tables say that another version has made them."""
    open_storage(partial(open_in_schema, url, schema), schema)
    with closing(open_in_schema(url, schema)) as connection, connection, connection.cursor() as c:
        c.execute("UPDATE alembic_version SET version_num = %s", (tables,))
        c.execute("UPDATE version_info SET library_version = %s", (library,))


@pytest.mark.parametrize(("tables", "library"), [("v2.6.0.a", "2.10.1"), ("v9.9.9.a", "9.9.9")])
def test_tables_of_another_optuna_are_told_and_another_schema_works(postgres, tables, library):
    """Older ones and newer ones; the remedy is another name in params."""
    schema = f"other_{library[0]}_optuna"
    set_versions(postgres, schema, tables=tables, library=library)
    with pytest.raises(SkipcastError, match=f"{schema} must be as .* of Optuna {library}") as error:
        open_storage(partial(open_in_schema, postgres, schema), schema)
    assert "load.schema" in str(error.value)
    assert "$" not in str(error.value)
    open_storage(partial(open_in_schema, postgres, f"new_{schema}"), f"new_{schema}")


def test_a_connection_of_optuna_that_was_cut_is_opened_again(postgres):
    storage = open_storage(partial(open_in_schema, postgres, "cut_optuna"), "cut_optuna")
    study = optuna.create_study(storage=storage, study_name="cut")
    with closing(open_in_schema(postgres, "cut_optuna")) as connection, connection.cursor() as c:
        c.execute(
            "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity "
            "WHERE pid != pg_backend_pid() AND application_name LIKE 'skipcast %'"
        )
        c.fetchall()
    study.tell(study.ask(), 0.5)
    assert study.best_value == 0.5
