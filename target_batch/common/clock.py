"""Time and chance, in one object, so that tests bring their own; and the flag that ends waiting."""

from __future__ import annotations

import math
import random
import threading
import time
from collections.abc import Callable  # noqa: TC003 - annotations of a class body
from typing import Final

DATE_RENEWED: Final = 1.0
"""Seconds for which servers write the same `Date`: many keep it and renew it once a second."""


class Clock:
    """Time and randomness; the time of day is the machine's until a better clock is known."""

    monotonic: Callable[[], float] = staticmethod(time.monotonic)
    """Return seconds that never go back."""

    _ahead = 0.0
    _following = threading.Lock()

    def time(self) -> float:
        """Return epoch seconds."""
        return time.time() - self._ahead

    def follow(self, date: float, elapsed: float) -> float:
        """Take over the time of a better clock, which wrote a date in the `elapsed` seconds before now.

        Corrects by no more than that proves: `date` is in whole epoch seconds, may be up to `DATE_RENEWED`
        old when it is written, and may have been on its way for all of that time.

        Returns:
            Seconds that the machine's clock is ahead of the better one; negative where it is behind.
        """
        with self._following:
            at_most = self.time() - date
            at_least = at_most - elapsed - 1.0 - DATE_RENEWED
            self._ahead += max(0.0, at_least) + min(0.0, at_most)
            return self._ahead

    def wait(self, event: threading.Event, seconds: float) -> None:
        """Wait, at most until the event is set."""
        event.wait(seconds)

    def sleep(self, seconds: float) -> None:
        """Wait in any case."""
        time.sleep(seconds)

    def uniform(self, low: float, high: float) -> float:
        """Return a random number between two bounds."""
        return random.uniform(low, high)  # noqa: S311 - jitter, not cryptography


GLANCE: Final = 1.0
"""Seconds after which a wait looks again whether the run has to end."""


class Stop:
    """Set once the run has to end: pauses end at once and retries give up after a short grace."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._event = threading.Event()
        self.deadline = math.inf

    @property
    def requested(self) -> bool:
        """Whether the run has to end."""
        return self._event.is_set()

    def request(self, grace: float) -> None:
        """Ask for the end; retries give up `grace` seconds from now."""
        self.deadline = min(self.deadline, self._clock.monotonic() + grace)
        self._event.set()

    def pause(self, seconds: float) -> None:
        """Wait; the request for the end ends the wait it falls into, later ones keep their length."""
        if self._event.is_set():
            self._clock.sleep(max(0.0, min(seconds, self.deadline - self._clock.monotonic())))
            return
        end = self._clock.monotonic() + seconds
        while not self._event.is_set() and (left := end - self._clock.monotonic()) > 0:
            self._clock.wait(self._event, min(left, GLANCE))
