"""Which workers of a cluster live; those that are silent are started again, or sent away."""

import threading
import time
from contextlib import suppress
from typing import Any

from distributed import Client

from skipcast.errors import SkipcastError

GONE_SECONDS = 60.0  # without enough workers end the work
SILENT_SECONDS = 30.0  # of a worker are as if it was killed; it tells twice a second that it lives
ANSWER_SECONDS = 10  # for the scheduler
LOOK_SECONDS = 1.0  # between two looks
GO_ON = "then run it again: what is finished is kept."


class Watch:
    """What the scheduler says of its workers, and when each of them told last that it lives.

    Times are of a clock that stands still while nobody looks: what happened then, nobody knows.
    """

    def __init__(self, client: Client, scheduler: str) -> None:
        self._client = client
        self._scheduler = scheduler
        self._clock, self._looked = 0.0, time.monotonic() - LOOK_SECONDS
        self._there: dict[str, dict[str, Any]] = {}  # what the scheduler knows of each
        self._heard: dict[str, float] = {}  # of all that ever were, by ours
        self._living: list[str] = []
        self._is_lost = False
        self._alone = threading.Lock()

    def living(self, least: int = 1) -> list[str]:
        """Return the addresses of the workers that live, in order.

        Args:
            least: how many must live.

        Raises:
            SkipcastError: the scheduler does not answer, or for `GONE_SECONDS` fewer lived.
        """
        with self._alone:
            now = time.monotonic()
            if now - self._looked >= LOOK_SECONDS:
                self._clock += min(now - self._looked, 5 * LOOK_SECONDS)
                self._look()
                self._looked = time.monotonic()
        if len(self._living) < least:
            self._check_gone(least)
        return self._living

    def _look(self) -> None:
        before, self._there = self._there, self._ask()
        for address, worker in self._there.items():
            if address not in before or worker["last_seen"] != before[address]["last_seen"]:
                self._heard[address] = self._clock
        silent = [one for one in self._there if self._clock - self._heard[one] > SILENT_SECONDS]
        self._restart(silent)
        self._living = sorted({*self._there} - {*silent})

    def _ask(self) -> dict[str, dict[str, Any]]:
        try:
            if not self._is_there():
                raise self.lost()
            about = self._client.sync(
                self._client.scheduler.identity, n_workers=-1, callback_timeout=ANSWER_SECONDS
            )
        except (OSError, TimeoutError) as error:
            self._is_lost = True
            raise self.lost() from error
        workers: dict[str, dict[str, Any]] = about["workers"]
        return workers

    def _check_gone(self, least: int) -> None:
        heard = sorted([*self._heard.values(), *[0.0] * least], reverse=True)
        if self._clock - heard[least - 1] > GONE_SECONDS:
            raise SkipcastError(
                f"The cluster {self._scheduler} must have {least} workers until the work is done "
                f"but had {len(self._living)} for {GONE_SECONDS:.0f} s. Start as many (`dask "
                f"worker {self._client.scheduler.address} --nthreads 1`), {GO_ON}"
            )

    def free(self, workers: list[str]) -> None:
        """End what workers do, by killing those that a nanny starts again."""
        self._restart([one for one in workers if self._there.get(one, {}).get("nanny")])

    def _restart(self, workers: list[str]) -> None:
        """Kill workers, which start again where somebody sees to that; others go for good."""
        if workers and self._is_there():
            with suppress(OSError, TimeoutError):
                self._client.sync(
                    self._client.scheduler.restart_workers,
                    workers=workers,
                    timeout=ANSWER_SECONDS,
                    wait_for_workers=False,
                    on_error="return",
                    stimulus_id="skipcast-restart",
                    callback_timeout=ANSWER_SECONDS,
                )

    def _is_there(self) -> bool:
        """Tell whether the scheduler has answered until now."""
        return self._client.status == "running" and not self._is_lost

    def lost(self) -> SkipcastError:
        """Return what to say of a scheduler that was there and is not."""
        return SkipcastError(
            f"The scheduler {self._scheduler} must answer until the work is done but no longer "
            f"does. Start it again, {GO_ON}"
        )
