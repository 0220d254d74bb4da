"""The base of all deliveries: what a run asks of each, and the threads that carry its requests."""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any, Final, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Callable

    from target_batch.common.errors import StopRun
    from target_batch.common.operations import Ticket

Job: TypeAlias = "Callable[[], Any]"
Done: TypeAlias = "Callable[[Any], None]"

BLOCKED_WAIT: Final = 0.5
"""Seconds to wait for an answer at a time, when nothing else can be done without one."""


class Delivery(ABC):
    """Delivers one kind of operation, in order, and knows what is not confirmed yet.

    Up to `most` threads carry requests; their results are handled on the main thread. A thread starts when it
    is first needed, and is a daemon, so that a hung call cannot keep the process alive. A delivery that sends
    only in `finish`, one request after the other, needs neither threads nor `flush`.
    """

    def __init__(self, name: str = "", most: int = 0) -> None:
        self._name = name
        self._most = most
        self._started = 0
        self._jobs: SimpleQueue[tuple[Job, Done]] = SimpleQueue()
        self._ended: SimpleQueue[tuple[Done, Any, BaseException | None]] = SimpleQueue()
        self._failure: StopRun | None = None
        self.in_flight = 0
        """The number of requests in flight or queued."""

    @abstractmethod
    def put(self, operation: Any, ticket: Ticket) -> None:
        """Add an operation.

        Raises:
            StopRun: an earlier one could not be delivered.
        """

    def flush(self) -> None:  # noqa: B027 - not abstract: what sends only in `finish` has nothing to do
        """Send what can be sent now."""

    def checkpoint(self) -> None:
        """Send what waits, because a checkpoint is due."""
        self.flush()

    @abstractmethod
    def finish(self) -> None:
        """Send everything and wait for every answer.

        Raises:
            StopRun: something could not be delivered.
        """

    @abstractmethod
    def oldest_line(self) -> int | None:
        """Return the input line of the oldest record whose fate is open, if there is one."""

    @property
    def waiting(self) -> bool:
        """Whether any operation waits to be sent by `flush`."""
        return False

    @property
    def failed(self) -> bool:
        """Whether something could not be delivered."""
        return self._failure is not None

    def take_answers(self, timeout: float = 0.0) -> None:
        """Settle the answers that have arrived, waiting at most `timeout` seconds for the first one.

        Raises:
            StopRun: something could not be delivered.
        """
        self._receive(timeout)
        if self._failure is not None:
            raise self._failure

    def salvage(self) -> None:
        """After a failure, settle the next answers to the requests in flight, even if others fail."""
        self._receive(BLOCKED_WAIT)

    def _submit(self, job: Job, done: Done) -> None:
        """Run `job` on a thread; `done` is called with its result by the thread that takes answers."""
        assert self._most, "a delivery without threads sends in `finish`"  # noqa: S101 - it would wait forever
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
            except BaseException as caught:  # noqa: BLE001 - raised again on the main thread
                result, error = None, caught
            self._ended.put((done, result, error))
            del job, done, result, error  # an idle thread would keep a whole request in memory

    def _receive(self, timeout: float) -> None:
        while self.in_flight:
            try:
                done, result, error = self._ended.get(block=timeout > 0, timeout=timeout or None)
            except Empty:
                return
            timeout = 0.0
            self.in_flight -= 1
            if error is not None:
                raise error
            done(result)
