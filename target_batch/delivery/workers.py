"""The threads that carry requests: jobs run on them, and results are handled on the main thread."""

from __future__ import annotations

import threading
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any, Final, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Callable

Job: TypeAlias = "Callable[[], Any]"
Done: TypeAlias = "Callable[[Any], None]"

BLOCKED_WAIT: Final = 0.5
"""Seconds to wait for an answer at a time, when nothing else can be done without one."""


class Workers:
    """Threads, started when first needed; daemons, so that a hung call cannot keep the process alive."""

    def __init__(self, name: str, most: int) -> None:
        self._name = name
        self._most = most
        self._started = 0
        self._jobs: SimpleQueue[tuple[Job, Done]] = SimpleQueue()
        self._ended: SimpleQueue[tuple[Done, Any, BaseException | None]] = SimpleQueue()
        self.in_flight = 0

    @property
    def full(self) -> bool:
        """Whether every thread has a job."""
        return self.in_flight >= self._most

    def submit(self, job: Job, done: Done) -> None:
        """Run `job` on a thread; `done` is called with its result by the thread that calls `settle`."""
        self.in_flight += 1
        if self._started < min(self.in_flight, self._most):
            name = f"{self._name}-{self._started}"
            threading.Thread(target=self._work, name=name, daemon=True).start()
            self._started += 1
        self._jobs.put((job, done))

    def _work(self) -> None:
        while True:
            job, done = self._jobs.get()
            try:
                result, error = job(), None
            except BaseException as caught:  # noqa: BLE001 - raised again where it is settled
                result, error = None, caught
            self._ended.put((done, result, error))

    def settle(self, timeout: float = 0.0) -> bool:
        """Settle the jobs that have ended, waiting at most `timeout` seconds for the first one.

        Returns:
            Whether any job had ended.
        """
        settled = False
        while self.in_flight:
            try:
                done, result, error = self._ended.get(
                    block=timeout > 0 and not settled, timeout=timeout or None
                )
            except Empty:
                break
            settled = True
            self.in_flight -= 1
            if error is not None:
                raise error
            done(result)
        return settled
