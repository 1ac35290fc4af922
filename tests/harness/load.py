"""Clients of tests that ask a server all the time."""

import json
import threading
import urllib.request

from harness.waiting import wait_until
from skipcast.serving.packaging import example

REQUEST = {"dataframe_split": json.loads(example().to_json(orient="split", index=False))}
"""A request of three plays, the last one to be scored."""


class Clients:
    """Threads that ask and keep what each answer was: a probability, or an error.

    Each asks as soon as it has an answer, or some seconds later.
    """

    count = 4

    def __init__(self, url: str, pause: float = 0) -> None:
        self.answers: list[object] = []
        self._url, self._pause, self._over = url, pause, threading.Event()
        self._threads = [threading.Thread(target=self._ask) for _ in range(self.count)]

    def _ask(self) -> None:
        body, kind = json.dumps(REQUEST).encode(), {"Content-Type": "application/json"}
        while not self._over.wait(self._pause):
            request = urllib.request.Request(self._url, body, kind)
            try:
                with urllib.request.urlopen(request, timeout=30) as answer:
                    self.answers.append(json.load(answer)["predictions"][-1]["skip_probability"])
            except (OSError, ValueError) as error:  # refused, cut off, or a status that is not 200
                self.answers.append(repr(error))

    def __enter__(self) -> "Clients":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join()

    def ask_again(self, times: int = 50) -> None:
        """Wait for so many more answers."""
        until = len(self.answers) + times
        wait_until(lambda: len(self.answers) >= until)
