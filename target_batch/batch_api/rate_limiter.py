"""How fast requests may leave: custom IDs, or requests, per second; slower for a while after a 429.

Several runs may share one project's quota. So a 429 multiplies the rate of this run by a factor, and time
without one adds to it again, the rule by which TCP connections share a line.
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
"""Requests' worth of a burst that is not used: it absorbs the network's jitter at the full rate."""

WINDOW_ROOM: Final = 0.022
"""Share by which a window is longer than documented, from the grant of a request: 97.8 % of the rate."""

SENT_ROOM: Final = 0.008
"""The share that is left of it from a request's last byte: room for the network's jitter."""

BACK_OFF: Final = 0.8
"""The factor by which a 429 lowers the rate."""

RECOVERY_SECONDS: Final = 60.0
"""Time in which the rate climbs from nothing back to the limit."""

SHORTEST_WAIT: Final = 0.001
LONGEST_WAIT: Final = 0.25

SLOWEST: Final = 0.02
"""The rate never falls below this share of the limit."""


@dataclass(slots=True, eq=False)
class Grant:
    """Permission for one request of `cost` units.

    Once it was `sent`, it counts in the window until `ends`, monotonic time; until then it counts.
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
        """Return the seconds until `cost` units are there, `before` units going first; 0 if they are now."""
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
    """A sliding window: never more than one window's worth in any stretch of its length, from the first on.

    A request counts from its grant until a window after its last byte, however late that left: so none
    of those that follow can arrive within a window of it. Inside the window requests keep their distance,
    too, so that they do not arrive in heaps.
    """

    def __init__(self, rate: Rate) -> None:
        self._capacity = rate.burst
        self._seconds = rate.burst / rate.per_second
        self._share = 1.0
        self._grants: list[Grant] = []
        self._spaced_until = 0.0

    def wait(self, cost: float, before: float, now: float, share: float) -> float:
        """Return the seconds until `cost` units fit, `before` units going first; 0 if they fit now."""
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
        """Count the window from when the request has left, if that took longer than there is room for."""
        if not grant.sent:
            grant.sent = True
            grant.ends = max(grant.ends, now + self._length(grant.cost, SENT_ROOM))

    def _distance(self, cost: float) -> float:
        """Return the seconds from a request to the next one; the room is left to who wakes late."""
        return self._seconds * cost / self._capacity / self._share

    def _length(self, cost: float, room: float) -> float:
        """Return how long a request counts: a window, or as long as one larger than that takes."""
        return self._seconds * max(1.0, cost / self._capacity) * (1.0 + room) / self._share


def _units(rate: Rate, largest: int, now: float) -> _Bucket | _Window:
    return _Bucket(rate, largest, now) if rate.burst > rate.per_second else _Window(rate)


class RateLimiter:
    """Grants custom IDs or requests at a documented rate, to every thread of a run together.

    A rate whose burst is no more than a second's worth is kept by a sliding window, any other by a token
    bucket; `largest` is the cost of the largest request. Requests are granted in the order in which they
    ask: one that others overtake again and again would hold the state, and in the end the reading.
    """

    def __init__(self, rate: Rate, clock: Clock, largest: int = 1) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._limit = rate.per_second
        self._updated = clock.monotonic()
        self._units = None if math.isinf(rate.per_second) else _units(rate, largest, self._updated)
        self._share = 1.0
        self._not_before = 0.0
        self._turns = count()
        self._waiting: dict[int, float] = {}
        """What is asked for, by turn."""

    @property
    def per_second(self) -> float:
        """The rate at the moment."""
        return self._limit * self._share

    def acquire(self, cost: int, give_up: Callable[[], float]) -> Grant | None:
        """Wait until `cost` units are granted; None once the monotonic time `give_up()` has come."""
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
        """Take the units, or return the seconds until they might be there."""
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
        """Take note that a granted request has left, or never will; every grant comes back here.

        Only the first time counts.
        """
        with self._lock:
            if isinstance(self._units, _Window):
                self._units.sent(grant, self._clock.monotonic())

    def throttled(self, after: float) -> None:
        """Take note of a 429: nothing leaves for `after` seconds, then at a lower rate."""
        with self._lock:
            now = self._clock.monotonic()
            self._recover(now)
            if now >= self._not_before:
                self._share = max(SLOWEST, self._share * BACK_OFF)
                if isinstance(self._units, _Bucket):
                    self._units.drain()
            self._not_before = max(self._not_before, now + after)
