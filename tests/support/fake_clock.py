"""A clock that moves only when it is waited on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from target_batch.common.clock import Clock

if TYPE_CHECKING:
    import threading


class FakeClock(Clock):
    """Time passes only in waits; a random number is always at the share `chance` of its range."""

    def __init__(self, chance: float = 1.0) -> None:
        self.now = 1000.0
        self.chance = chance
        self.waits: list[float] = []

    def monotonic(self) -> float:
        """Return the time of the test."""
        return self.now

    def time(self) -> float:
        """Return the time of the test."""
        return self.now

    def wait(self, event: threading.Event, seconds: float) -> None:
        """Move the clock on unless the event is set."""
        if not event.is_set():
            self.sleep(seconds)

    def sleep(self, seconds: float) -> None:
        """Move the clock on."""
        self.waits.append(seconds)
        self.now += seconds

    def uniform(self, low: float, high: float) -> float:
        """Return the same share of every range."""
        return low + (high - low) * self.chance
