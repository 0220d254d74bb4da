"""Circuit breaker: one probe, the others wait.

While Batch answers, the circuit is closed and requests pass in parallel. A failure opens it, and all
requests wait, longer after each consecutive failure. Then a single request, the probe, is sent: an answer
closes the circuit, another failure keeps it open. So an API that is down gets one request at a time.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Final

import backoff

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from target_batch.common.clock import Clock, Stop

FIRST_PAUSE: Final = 1.0
LONGEST_PAUSE: Final = 30.0
HURRIED_PAUSE: Final = 0.5
"""The longest pause once the run has to end, so that its last few seconds allow several attempts."""

LOOK_AGAIN: Final = 0.05
"""Seconds between checks for the answer to the probe."""


def ceilings() -> Iterator[float]:
    """Yield the longest pause after one failure, after two consecutive ones, and so on."""
    pauses = backoff.expo(base=2, factor=FIRST_PAUSE, max_value=LONGEST_PAUSE)
    next(pauses)
    return pauses


class CircuitBreaker:
    """The circuit breaker of a run: every attempt calls `enter`, which returns the attempt's round."""

    def __init__(self, clock: Clock, stop: Stop) -> None:
        self._clock = clock
        self._stop = stop
        self._lock = threading.Lock()
        self._round = 0
        self._ceilings: Iterator[float] | None = None
        self._probing = False
        self._not_before = self._probe_at = 0.0

    def enter(self, give_up: Callable[[], float]) -> int | None:
        """Wait until an attempt may be made; None if that is not before the monotonic time `give_up()`.

        Stopping the run cuts the random part of a pause short, but never a pause that Batch asked for.
        """
        while True:
            round_, seconds = self._look()
            if round_ is not None:
                return round_
            if max(self._clock.monotonic(), self._not_before) >= give_up():
                return None
            in_a_hurry = self._stop.requested
            self._stop.pause(max(0.0, min(seconds, give_up() - self._clock.monotonic())))
            if self._stop.requested and not in_a_hurry:
                with self._lock:
                    self._probe_at = self._not_before

    @property
    def is_open(self) -> bool:
        """Whether the last attempt failed, so that one probe goes ahead at a time."""
        return self._ceilings is not None

    def _look(self) -> tuple[int | None, float]:
        """Return the round if an attempt may be made now, else None and the seconds until the next check."""
        with self._lock:
            if self._ceilings is None:
                return self._round, 0.0
            if self._probing:
                return None, LOOK_AGAIN
            seconds = self._probe_at - self._clock.monotonic()
            if seconds > 0:
                return None, seconds
            self._probing = True
            return self._round, 0.0

    def failed(self, round_: int, after: float) -> None:
        """Open the circuit: the next attempt is made after `after` seconds and a random pause."""
        with self._lock:
            now = self._clock.monotonic()
            self._not_before = max(self._not_before, now + after)
            if round_ == self._round:
                self._round += 1
                self._ceilings = self._ceilings or ceilings()
                ceiling = next(self._ceilings)
                if self._stop.requested:
                    ceiling = min(ceiling, HURRIED_PAUSE)
                self._probe_at = now + after + self._clock.uniform(0.0, ceiling)
                self._probing = False
            self._probe_at = max(self._probe_at, self._not_before)

    def answered(self, round_: int) -> None:
        """Close the circuit, unless the answered attempt was made before the circuit opened."""
        with self._lock:
            if round_ == self._round and self._ceilings is not None:
                self._round += 1
                self._ceilings = None
                self._probing = False

    def withdraw(self, round_: int) -> None:
        """Withdraw an attempt that was not made, so that another one can be the probe."""
        with self._lock:
            if round_ == self._round:
                self._probing = False
