"""Claims of trials: real locks in Postgres, real runs in MLflow, Optuna's studies in memory."""

from collections.abc import Iterator
from contextlib import closing
from functools import partial
from pathlib import Path

import optuna
import psycopg2
import pytest
from optuna.exceptions import UpdateFinishedTrialError
from optuna.trial import TrialState

from skipcast.database.locks import Locks, open_locks
from skipcast.database.server import open_in_schema
from skipcast.params import read_params
from skipcast.search.claims import join
from skipcast.search.mlflow_runs import Runs, open_runs
from skipcast.search.studies import Studies, open_storage

PARAMS = read_params(Path(__file__).parents[2] / "params.yaml").search


@pytest.fixture
def locks(postgres) -> Iterator[Locks]:
    with open_locks(postgres) as opened:
        yield opened


@pytest.fixture
def runs(tracking, request) -> Runs:
    return open_runs(request.node.name, {}, data=(), model="any")


@pytest.fixture
def studies() -> Studies:
    params = PARAMS.model_copy(update={"families": {"lightgbm": 2}})
    return Studies(optuna.storages.InMemoryStorage(), "fingerprint", params)


def status(runs: Runs, run_id: str) -> tuple[str, str]:
    run = runs.client.get_run(run_id)
    return run.info.status, run.data.tags.get("state", "")


def cut(locks: Locks, url: str) -> None:
    """End the connection of `locks` from outside, as a router or an administrator does."""
    (process,) = locks._run("SELECT pg_backend_pid()")[0]  # noqa: SLF001
    with closing(psycopg2.connect(url)) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT pg_terminate_backend(%s, 5000)", (process,))


def first(claims):
    return next(claims.each("lightgbm", wait=False))


def test_each_yields_every_trial_once(studies, locks, runs):
    with join(studies, locks, runs) as claims:
        names = []
        for claim in claims.each("lightgbm", wait=False):
            names.append(runs.client.get_run(claim.run_id).info.run_name)
            claims.end(claim, TrialState.COMPLETE, 0.5)
    assert names == ["lightgbm-000", "lightgbm-001"]


def test_a_claim_holds_the_lock_of_its_run_until_it_ends(studies, locks, runs):
    with join(studies, locks, runs) as claims:
        claim = first(claims)
        assert locks.held([claim.run_id]) == {claim.run_id}
        claims.end(claim, TrialState.COMPLETE, 0.5)
        assert locks.held([claim.run_id]) == set()
    assert status(runs, claim.run_id) == ("FINISHED", "complete")


def test_a_trial_whose_lock_is_gone_is_failed_and_claimed_again(studies, locks, runs):
    with join(studies, locks, runs) as claims:
        dead = first(claims)
        locks.release(dead.run_id)  # as the server does when a process dies
        again = first(claims)
        assert again.params == dead.params
        assert status(runs, dead.run_id) == ("KILLED", "failed")
        claims.end(again, TrialState.COMPLETE, 0.5)


def test_a_trial_counts_though_its_connection_was_cut(studies, locks, runs, postgres):
    with join(studies, locks, runs) as claims:
        claim = first(claims)
        cut(locks, postgres)
        claims.end(claim, TrialState.COMPLETE, 0.5)
        assert first(claims).params != claim.params
    assert status(runs, claim.run_id) == ("FINISHED", "complete")


def test_a_trial_that_another_process_took_over_meanwhile_counts_once(
    studies, locks, runs, postgres
):
    with join(studies, locks, runs) as claims, open_locks(postgres) as others:
        cut_off = first(claims)
        cut(locks, postgres)
        with join(studies, others, runs) as other:
            again = first(other)
            assert again.params == cut_off.params
            claims.end(cut_off, TrialState.COMPLETE, 0.4)
            other.end(again, TrialState.COMPLETE, 0.5)
    assert status(runs, cut_off.run_id) == ("KILLED", "failed")
    assert status(runs, again.run_id) == ("FINISHED", "complete")
    assert [trial.value for trial in studies.trials(TrialState.COMPLETE)] == [0.5]


def test_processes_that_share_optunas_tables_count_a_trial_once(locks, runs, postgres):
    def opened() -> Studies:
        storage = open_storage(partial(open_in_schema, postgres, "twice_optuna"), "twice_optuna")
        params = PARAMS.model_copy(update={"families": {"lightgbm": 1}})
        return Studies(storage, "fingerprint", params)

    ours, theirs = opened(), opened()
    with join(ours, locks, runs) as claims, open_locks(postgres) as others:
        cut_off = first(claims)
        cut(locks, postgres)
        with join(theirs, others, runs) as other:
            again = first(other)
            claims.end(cut_off, TrialState.COMPLETE, 0.4)
            other.end(again, TrialState.COMPLETE, 0.5)
    assert [trial.value for trial in ours.trials(TrialState.COMPLETE)] == [0.5]
    complete = [run.info.run_id for run in runs.find("tags.state = 'complete'")]
    assert complete == [again.run_id]


def test_a_trial_that_another_process_took_over_takes_no_more_reports(
    studies, locks, runs, postgres
):
    with join(studies, locks, runs) as claims, open_locks(postgres) as others:
        cut_off = first(claims)
        cut(locks, postgres)
        with join(studies, others, runs) as other:
            first(other)
            with pytest.raises(UpdateFinishedTrialError):
                cut_off.trial.report(0.5, 1)
            claims.end(cut_off, TrialState.FAIL)


def test_a_trial_that_ends_while_the_locks_are_read_stays_done(studies, locks, runs, monkeypatch):
    read = Locks.held
    with join(studies, locks, runs) as claims:
        claim = first(claims)

        def end_and_read(self, names):
            monkeypatch.undo()
            claims.end(claim, TrialState.COMPLETE, 0.5)  # another process, just now
            return read(self, names)

        monkeypatch.setattr(Locks, "held", end_and_read)
        second = first(claims)
        assert status(runs, claim.run_id) == ("FINISHED", "complete")
        assert second.params != claim.params
        claims.end(second, TrialState.COMPLETE, 0.5)


class KilledError(BaseException):
    """Stands for the end of a process."""


def killed(*_, **__):
    raise KilledError


@pytest.mark.parametrize(("done", "value"), [(TrialState.COMPLETE, 0.5), (TrialState.PRUNED, None)])
def test_a_trial_that_was_done_stays_done_though_its_run_had_not_ended(
    studies, locks, runs, monkeypatch, done, value
):
    with join(studies, locks, runs) as claims:
        claim = first(claims)
        with monkeypatch.context() as death:
            death.setattr(Runs, "terminate", killed)
            with pytest.raises(KilledError):
                claims.end(claim, done, value)
        locks.release(claim.run_id)
    assert status(runs, claim.run_id) == ("FINISHED", done.name.lower())
    assert len(studies.trials(done)) == 1


def test_a_run_that_was_only_marked_does_not_end_as_complete(studies, locks, runs, monkeypatch):
    """Not even if the process that finds it is killed, too, before it has failed the trial."""
    with join(studies, locks, runs) as claims:
        claim = first(claims)
        with monkeypatch.context() as death:
            death.setattr(optuna.Study, "tell", killed)
            with pytest.raises(KilledError):
                claims.end(claim, TrialState.COMPLETE, 0.5)
            locks.release(claim.run_id)
            with pytest.raises(KilledError):
                first(claims)
        assert status(runs, claim.run_id) == ("KILLED", "failed")
        again = first(claims)
        assert again.params == claim.params
        claims.end(again, TrialState.COMPLETE, 0.5)


def test_a_trial_that_was_done_stays_done_if_its_run_was_opened_again(studies, locks, runs):
    with join(studies, locks, runs) as claims:
        claim = first(claims)
        claims.end(claim, TrialState.COMPLETE, 0.5)
        runs.reopen(claim.run_id)  # by a process that logged its model, and died
    assert status(runs, claim.run_id) == ("FINISHED", "complete")


def test_who_joins_again_has_the_same_parent(studies, locks, runs):
    parents = []
    for _ in range(2):
        with join(studies, locks, runs) as claims:
            parents.append(claims.parent)
    assert parents[0] == parents[1]


def test_a_search_that_was_left_is_killed_and_opened_again(studies, locks, runs):
    with join(studies, locks, runs) as claims:
        pass
    assert status(runs, claims.parent)[0] == "KILLED"
    with join(studies, locks, runs) as claims:
        assert status(runs, claims.parent)[0] == "RUNNING"


def test_a_deleted_parent_starts_the_search_over(studies, locks, runs):
    with join(studies, locks, runs) as claims:
        claims.end(first(claims), TrialState.COMPLETE, 0.5)
    runs.client.delete_run(claims.parent)
    with join(studies, locks, runs) as again:
        assert again.parent != claims.parent
        assert studies.trials() == []
