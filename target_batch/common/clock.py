"""Time and randomness in one object, so that tests can replace them, and the flag that ends waits."""

from __future__ import annotations

import math
import random
import threading
import time
from collections.abc import Callable  # noqa: TC003 - annotations of a class body
from typing import Final

DATE_RENEWED: Final = 1.0
"""Seconds for which a server may repeat the same `Date` header: many update it once a second."""


class Clock:
    """Time and randomness; the time of day is the machine's until `follow` corrects it."""

    monotonic: Callable[[], float] = staticmethod(time.monotonic)
    """Return seconds that never go backwards."""

    _ahead = 0.0
    _following = threading.Lock()

    def time(self) -> float:
        """Return epoch seconds."""
        return time.time() - self._ahead

    def follow(self, date: float, elapsed: float) -> float:
        """Correct the time by a more reliable clock, which wrote `date` within the last `elapsed` seconds.

        Corrects by no more than `date` proves: it is in whole epoch seconds, may have been up to
        `DATE_RENEWED` old when written, and may have been in transit for all of `elapsed`.

        Returns:
            Seconds by which the machine's clock is ahead of the reliable one; negative if it is behind.
        """
        with self._following:
            at_most = self.time() - date
            at_least = at_most - elapsed - 1.0 - DATE_RENEWED
            self._ahead += max(0.0, at_least) + min(0.0, at_most)
            return self._ahead

    def wait(self, event: threading.Event, seconds: float) -> None:
        """Wait for `seconds`, or until the event is set."""
        event.wait(seconds)

    def sleep(self, seconds: float) -> None:
        """Wait for `seconds`, without interruption."""
        time.sleep(seconds)

    def uniform(self, low: float, high: float) -> float:
        """Return a random number between two bounds."""
        return random.uniform(low, high)  # noqa: S311 - jitter, not cryptography


GLANCE: Final = 1.0
"""Seconds between two checks, during a pause, of whether the run has to end."""


class Stop:
    """A flag set once the run has to end: pauses end at once, retries give up after a short grace period."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._event = threading.Event()
        self.deadline = math.inf

    @property
    def requested(self) -> bool:
        """Whether the run has to end."""
        return self._event.is_set()

    def request(self, grace: float) -> None:
        """Request the end of the run; retries give up `grace` seconds from now."""
        self.deadline = min(self.deadline, self._clock.monotonic() + grace)
        self._event.set()

    def pause(self, seconds: float) -> None:
        """Wait. A request to end interrupts the current wait; later waits run in full, up to the deadline."""
        if self._event.is_set():
            self._clock.sleep(max(0.0, min(seconds, self.deadline - self._clock.monotonic())))
            return
        end = self._clock.monotonic() + seconds
        while not self._event.is_set() and (left := end - self._clock.monotonic()) > 0:
            self._clock.wait(self._event, min(left, GLANCE))
