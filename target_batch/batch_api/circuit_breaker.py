"""Circuit breaker: one probe, the others wait.

As long as Batch answers, requests pass side by side: the circuit is closed. A failure opens it and all
wait, longer after each failure in a row; then a single request goes ahead, and its answer closes the
circuit or opens it again. So an API that is down gets one request at a time, however many are in flight.
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
"""The longest pause once the run has to end: its few remaining seconds allow several attempts."""

LOOK_AGAIN: Final = 0.05
"""Seconds between two checks whether the probe has been answered."""


def ceilings() -> Iterator[float]:
    """Yield the longest pause after one failure, after two in a row, and so on."""
    pauses = backoff.expo(base=2, factor=FIRST_PAUSE, max_value=LONGEST_PAUSE)
    next(pauses)
    return pauses


class CircuitBreaker:
    """What every attempt of a run passes; `enter` returns the round it belongs to."""

    def __init__(self, clock: Clock, stop: Stop) -> None:
        self._clock = clock
        self._stop = stop
        self._lock = threading.Lock()
        self._round = 0
        self._ceilings: Iterator[float] | None = None
        self._probing = False
        self._not_before = self._probe_at = 0.0

    def enter(self, give_up: Callable[[], float]) -> int | None:
        """Wait until an attempt may be made; None if that is not before `give_up()`, in monotonic time.

        A stop of the run cuts the jitter short, never what Batch asked for.
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
        """Return the round of an attempt that may be made, else the seconds until the next check."""
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
        """Open the circuit; nothing is tried again for `after` seconds and a random pause."""
        with self._lock:
            now = self._clock.monotonic()
            self._not_before = max(self._not_before, now + after)
            if round_ == self._round:
                self._round += 1
                self._ceilings = self._ceilings or ceilings()
                self._probe_at = now + after + self._clock.uniform(0.0, self._ceiling(self._ceilings))
                self._probing = False
            self._probe_at = max(self._probe_at, self._not_before)

    def _ceiling(self, pauses: Iterator[float]) -> float:
        return min(next(pauses), HURRIED_PAUSE) if self._stop.requested else next(pauses)

    def answered(self, round_: int) -> None:
        """Close the circuit, unless the answer is to an attempt from before it opened."""
        with self._lock:
            if round_ == self._round and self._ceilings is not None:
                self._round += 1
                self._ceilings = None
                self._probing = False

    def withdraw(self, round_: int) -> None:
        """Take back an attempt that was not made: another one may be the probe."""
        with self._lock:
            if round_ == self._round:
                self._probing = False
