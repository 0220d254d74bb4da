"""How long, and how often, the index of an audience is asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from target_batch.common.errors import DeliveryError
from target_batch.common.redaction import clean

if TYPE_CHECKING:
    from target_batch.common.clock import Clock, Stop

SHARE: Final = 0.1
"""A poll comes after this share of the time waited so far: soon at first, then without haste."""

LONGEST_PAUSE: Final = 10.0


class Patience:
    """Waits at most `seconds`, and not beyond the deadline of a run that has been told to end.

    `waits` tells whether a run waits for its own changes at all.
    """

    def __init__(self, clock: Clock, seconds: float, stop: Stop, *, waits: bool = True) -> None:
        self._clock = clock
        self._stop = stop
        self.seconds = seconds
        self.waits = waits

    def begin(self) -> float:
        """Return the moment from which the waiting counts."""
        return self._clock.monotonic()

    def next_poll(self, begun: float) -> float:
        """Return the moment before which nothing is asked again."""
        now = self._clock.monotonic()
        return now + min(LONGEST_PAUSE, (now - begun) * SHARE)

    def is_due(self, moment: float) -> bool:
        """Whether a moment has come, or the run is in a hurry."""
        return self._clock.monotonic() >= moment or self._stop.requested

    def pause_until(self, moment: float) -> None:
        """Wait until a moment; the end of the run cuts it short."""
        self._stop.pause(moment - self._clock.monotonic())

    def check(self, begun: float, name: str, state: str) -> None:
        """End the waiting once it took too long.

        Raises:
            DeliveryError: the index is not done, and the state is held.
        """
        now = self._clock.monotonic()
        audience = f"Audience '{clean(name)}' was accepted but not indexed"
        if now - begun > self.seconds:
            raise DeliveryError(
                f"{audience} within {self.seconds:.0f} seconds (it is {clean(state, 40)}), so the state is "
                "held. Run again later, raise `max_indexing_seconds`, or set `wait_for_indexing` to false."
            )
        if now > self._stop.deadline:
            raise DeliveryError(f"{audience} when the run had to end, so the state is held. Run again.")
