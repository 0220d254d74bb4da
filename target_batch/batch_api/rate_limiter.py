"""Rate limits in custom IDs or requests per second, lowered for a while after a 429.

Several runs may share one project's quota. So a 429 multiplies this run's rate by a factor, and time without
a 429 adds to it again, which is how TCP connections share a line.
"""

from __future__ import annotations

import math
import threading
from dataclasses import dataclass
from itertools import count
from operator import attrgetter
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

    from target_batch.common.clock import Clock
    from target_batch.common.limits import Rate

SPARED_REQUESTS: Final = 1.2
"""Unused part of a burst, in requests of the largest cost: it absorbs network jitter at the full rate."""

WINDOW_ROOM: Final = 0.022
"""Share by which a window, counted from a request's grant, exceeds the documented one: 97.8 % of the rate."""

SENT_ROOM: Final = 0.008
"""The same share, counted from a request's last byte: room for network jitter."""

BACK_OFF: Final = 0.8
"""Factor by which a 429 lowers the rate."""

RECOVERY_SECONDS: Final = 60.0
"""Seconds in which the rate climbs from zero back to the limit."""

SHORTEST_WAIT: Final = 0.001
LONGEST_WAIT: Final = 0.25

SLOWEST: Final = 0.02
"""The rate never falls below this share of the limit."""


@dataclass(slots=True, eq=False)
class Grant:
    """Permission for one request of `cost` units.

    It counts in the window until the request is `sent`, and after that until the monotonic time `ends`.
    """

    cost: float
    ends: float
    sent: bool = False


class _Bucket:
    """A token bucket: a burst, then a constant rate."""

    def __init__(self, rate: Rate, largest: int, now: float) -> None:
        self._rate = rate.per_second
        self._burst = max(rate.burst - SPARED_REQUESTS * largest, largest)
        self._tokens = self._burst
        self._updated = now

    def wait(self, cost: float, before: float, now: float, share: float) -> float:
        """Return the seconds until `cost` units are available after `before` others; 0 if they are now."""
        rate = self._rate * share
        self._tokens = min(self._burst, self._tokens + max(0.0, now - self._updated) * rate)
        self._updated = now
        return max(0.0, (before + min(cost, self._burst) - self._tokens) / rate)

    def take(self, cost: float, now: float) -> Grant:
        self._tokens -= cost
        return Grant(cost, now)

    def drain(self) -> None:
        self._tokens = min(self._tokens, 0.0)


class _Window:
    """A sliding window: at most one window's worth of units in any interval of its length, from the start.

    A request counts from its grant until one window after its last byte was sent, however late that was, so
    requests beyond the limit cannot arrive within a window of it. Within the window, requests are spaced
    evenly, so that they do not arrive in bursts.
    """

    def __init__(self, rate: Rate) -> None:
        self._capacity = rate.burst
        self._seconds = rate.burst / rate.per_second
        self._share = 1.0
        self._grants: list[Grant] = []
        self._spaced_until = 0.0

    def wait(self, cost: float, before: float, now: float, share: float) -> float:
        """Return the seconds until `cost` units fit after `before` others; 0 if they fit now."""
        self._share = share
        for grant in self._grants:
            if not grant.sent:
                grant.ends = max(grant.ends, now + SHORTEST_WAIT)
        self._grants = sorted((grant for grant in self._grants if grant.ends > now), key=attrgetter("ends"))
        excess = before + min(cost, self._capacity) - self._capacity
        excess += sum(grant.cost for grant in self._grants)
        seconds = max(0.0, self._spaced_until - now) + self._distance(before)
        for grant in self._grants:
            if excess <= 0:
                break
            excess -= grant.cost
            seconds = max(seconds, grant.ends - now)
        return seconds if excess <= 0 else max(seconds, SHORTEST_WAIT)

    def take(self, cost: float, now: float) -> Grant:
        grant = Grant(cost, now + self._length(cost, WINDOW_ROOM))
        self._grants.append(grant)
        self._spaced_until = now + self._distance(cost)
        return grant

    def sent(self, grant: Grant, now: float) -> None:
        """Note that the request has been sent: it counts for a window from now, if that ends later."""
        if not grant.sent:
            grant.sent = True
            grant.ends = max(grant.ends, now + self._length(grant.cost, SENT_ROOM))

    def _distance(self, cost: float) -> float:
        """Return the seconds between a request and the next; the room makes up for late wake-ups."""
        return self._seconds * cost / self._capacity / self._share

    def _length(self, cost: float, room: float) -> float:
        """Return how many seconds a request counts: one window, or more if it exceeds a window's worth."""
        return self._seconds * max(1.0, cost / self._capacity) * (1.0 + room) / self._share


class RateLimiter:
    """Grants custom IDs or requests at a documented rate, shared by all threads of a run.

    A sliding window is used if the rate's burst is at most one second's worth, otherwise a token bucket;
    `largest` is the cost of the largest request. Requests are granted in the order in which they ask: one
    that is overtaken again and again would hold up the state, and eventually the reading.
    """

    def __init__(self, rate: Rate, clock: Clock, largest: int = 1) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._limit = rate.per_second
        self._updated = clock.monotonic()
        self._units: _Bucket | _Window | None = None
        if rate.burst > rate.per_second:
            self._units = _Bucket(rate, largest, self._updated)
        elif math.isfinite(rate.per_second):
            self._units = _Window(rate)
        self._share = 1.0
        self._not_before = 0.0
        self._turns = count()
        self._waiting: dict[int, float] = {}
        """Requested units, by turn."""

    @property
    def per_second(self) -> float:
        """The current rate."""
        return self._limit * self._share

    @property
    def paused_until(self) -> float:
        """The monotonic time at which the pause after the last 429 ends; in the past if there is none."""
        return self._not_before

    def acquire(self, cost: int, give_up: Callable[[], float]) -> Grant | None:
        """Wait until `cost` units are granted; return None once the monotonic time `give_up()` has passed."""
        with self._lock:
            turn = next(self._turns)
            self._waiting[turn] = cost
        try:
            while isinstance(found := self._reserve(turn), float):
                if self._clock.monotonic() >= give_up():
                    return None
                self._clock.sleep(min(max(found, SHORTEST_WAIT), LONGEST_WAIT))
            return found
        finally:
            with self._lock:
                del self._waiting[turn]

    def _reserve(self, turn: int) -> Grant | float:
        """Take the units, or return the seconds until they might be available."""
        with self._lock:
            now = self._clock.monotonic()
            self._recover(now)
            if self._not_before > now:
                return self._not_before - now
            before = sum(cost for other, cost in self._waiting.items() if other < turn)
            cost = self._waiting[turn]
            if self._units is None:
                return Grant(cost, now)
            if seconds := self._units.wait(cost, before, now, self._share):
                return seconds
            self._waiting[turn] = 0.0
            return self._units.take(cost, now)

    def _recover(self, now: float) -> None:
        elapsed = max(0.0, now - self._updated)
        self._updated = now
        self._share = min(1.0, self._share + elapsed / RECOVERY_SECONDS)

    def sent(self, grant: Grant) -> None:
        """Note that a granted request has been sent, or will not be; call this for every grant.

        Only the first call counts.
        """
        with self._lock:
            if isinstance(self._units, _Window):
                self._units.sent(grant, self._clock.monotonic())

    def throttled(self, after: float) -> None:
        """Note a 429: grant nothing for `after` seconds, then continue at a lower rate."""
        with self._lock:
            now = self._clock.monotonic()
            self._recover(now)
            if now >= self._not_before:
                self._share = max(SLOWEST, self._share * BACK_OFF)
                if isinstance(self._units, _Bucket):
                    self._units.drain()
            self._not_before = max(self._not_before, now + after)
