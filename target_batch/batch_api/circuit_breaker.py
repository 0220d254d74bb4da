"""In trouble one request knocks for all: what fails once is not tried by every sender at once.

As long as Batch answers, requests pass side by side. Once one fails, all wait, each failure in a row
longer than the one before; then a single one goes ahead, and its answer opens the gate or closes it
again. So an API that is down is knocked at by one request, however many are in flight.
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
"""The longest pause once the run has to end: the few seconds it has left are worth more than one try."""

LOOK_AGAIN: Final = 0.05
"""Seconds after which who waits for another one's answer looks whether it is there."""


def ceilings() -> Iterator[float]:
    """Give the longest pause after one failure, after two in a row, and so on."""
    pauses = backoff.expo(base=2, factor=FIRST_PAUSE, max_value=LONGEST_PAUSE)
    next(pauses)
    return pauses


class Gate:
    """What every attempt of a run passes; `enter` gives the round it belongs to."""

    def __init__(self, clock: Clock, stop: Stop) -> None:
        self._clock = clock
        self._stop = stop
        self._lock = threading.Lock()
        self._round = 0
        self._ceilings: Iterator[float] | None = None
        self._scouting = False
        self._not_before = self._opens_at = 0.0

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
                    self._opens_at = self._not_before

    def _look(self) -> tuple[int | None, float]:
        """Return the round of an attempt that may be made, else the seconds until a look is worth it."""
        with self._lock:
            if self._ceilings is None:
                return self._round, 0.0
            if self._scouting:
                return None, LOOK_AGAIN
            seconds = self._opens_at - self._clock.monotonic()
            if seconds > 0:
                return None, seconds
            self._scouting = True
            return self._round, 0.0

    def failed(self, round_: int, after: float) -> None:
        """Take note of a failure; nothing is tried again for `after` seconds and a pause of chance."""
        with self._lock:
            now = self._clock.monotonic()
            self._not_before = max(self._not_before, now + after)
            if round_ == self._round:
                self._round += 1
                self._ceilings = self._ceilings or ceilings()
                self._opens_at = now + after + self._clock.uniform(0.0, self._ceiling(self._ceilings))
                self._scouting = False
            self._opens_at = max(self._opens_at, self._not_before)

    def _ceiling(self, pauses: Iterator[float]) -> float:
        return min(next(pauses), HURRIED_PAUSE) if self._stop.requested else next(pauses)

    def answered(self, round_: int) -> None:
        """Take note of an answer: the gate opens, unless it is one to an attempt from before it closed."""
        with self._lock:
            if round_ == self._round and self._ceilings is not None:
                self._round += 1
                self._ceilings = None
                self._scouting = False

    def withdraw(self, round_: int) -> None:
        """Take back an attempt that was not made: another one may go ahead."""
        with self._lock:
            if round_ == self._round:
                self._scouting = False
