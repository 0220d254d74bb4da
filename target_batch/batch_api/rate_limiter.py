"""How fast requests may leave: a token bucket in custom IDs that gives way when Batch says 429.

Several runs may share one project's quota. So a 429 lowers the pace of this run by a factor, and
time without one raises it again by a constant, the rule by which TCP connections share a line.
"""

from __future__ import annotations

import threading
from itertools import count
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

    from target_batch.batch_api.limits import Rate
    from target_batch.common.clock import Clock

SPARED_REQUESTS: Final = 1.2
"""Requests' worth of a burst that is not planned with: it absorbs the network's jitter at full pace."""

WITHOUT_SLACK: Final = 0.99
"""Share of the limit that is used where the burst is one request and jitter has no room."""

ADMITTED_WITHIN: Final = 0.075
"""Seconds after which a request that is not answered yet has been counted by Batch, in all likelihood."""

BACK_OFF: Final = 0.6
"""What a 429 leaves of the pace."""

RECOVERY_SECONDS: Final = 60.0
"""Time in which the pace climbs from nothing back to the limit."""

SHORTEST_WAIT: Final = 0.001
LONGEST_WAIT: Final = 0.25

SLOWEST: Final = 0.02
"""The pace never falls below this share of the limit."""


class Pacer:
    """Grants custom IDs or requests at a documented rate, to every thread of a run together.

    Who asked first is granted first: a request that others overtake again and again would hold the
    state, and in the end the reading.
    """

    def __init__(self, rate: Rate, clock: Clock, largest: int = 1) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._slack = rate.burst > largest
        self._limit = rate.per_second * (1.0 if self._slack else WITHOUT_SLACK)
        self._burst = max(rate.burst - SPARED_REQUESTS * largest, largest)
        self._tokens = self._burst
        self._updated = clock.monotonic()
        self._share = 1.0
        self._not_before = self._spaced_until = 0.0
        self._granted_at = self._updated
        self._turns = count()
        self._waiting: dict[int, float] = {}
        """What is asked for, by turn."""

    @property
    def per_second(self) -> float:
        """The pace of the moment."""
        return self._limit * self._share

    def acquire(self, cost: int, give_up: Callable[[], float]) -> bool:
        """Wait until `cost` tokens are granted, or until the monotonic time `give_up()` has come."""
        with self._lock:
            turn = next(self._turns)
            self._waiting[turn] = cost
        try:
            while (seconds := self._reserve(turn)) > 0:
                if self._clock.monotonic() >= give_up():
                    return False
                self._clock.sleep(min(max(seconds, SHORTEST_WAIT), LONGEST_WAIT))
            return True
        finally:
            with self._lock:
                del self._waiting[turn]

    def _reserve(self, turn: int) -> float:
        """Take the tokens and return 0, or return the seconds until they might be there."""
        with self._lock:
            now = self._clock.monotonic()
            self._refill(now)
            if (closed_until := max(self._not_before, self._spaced_until)) > now:
                return closed_until - now
            before = sum(cost for other, cost in self._waiting.items() if other < turn)
            needed = before + min(self._waiting[turn], self._burst)
            if self._tokens >= needed:
                self._tokens -= self._waiting[turn]
                self._waiting[turn] = 0.0
                self._granted_at = now
                return 0.0
            return (needed - self._tokens) / self.per_second

    def _refill(self, now: float) -> None:
        elapsed = max(0.0, now - self._updated)
        self._updated = now
        self._share = min(1.0, self._share + elapsed / RECOVERY_SECONDS)
        self._tokens = min(self._burst, self._tokens + elapsed * self.per_second)

    def answered(self) -> None:
        """Where there is no slack, count the distance from when Batch has surely seen the request."""
        if self._slack:
            return
        with self._lock:
            seen = min(self._clock.monotonic(), self._granted_at + ADMITTED_WITHIN)
            self._spaced_until = seen + 1 / self._limit

    def throttled(self, after: float) -> None:
        """Take note of a 429: nothing leaves for `after` seconds, then at a lower pace."""
        with self._lock:
            now = self._clock.monotonic()
            self._refill(now)
            if now >= self._not_before:
                self._share = max(SLOWEST, self._share * BACK_OFF)
                self._tokens = min(self._tokens, 0.0)
            self._not_before = max(self._not_before, now + after)
