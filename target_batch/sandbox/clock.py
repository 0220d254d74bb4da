"""Clocks, injected so that tests can control time."""

import time
from collections.abc import Callable
from typing import NamedTuple


class Clock(NamedTuple):
    """A pair of clocks.

    Attributes:
        wall: Unix time in seconds, for event windows and display.
        steady: Monotonic time in seconds, for rates, indexing and durations.
    """

    wall: Callable[[], float] = time.time
    steady: Callable[[], float] = time.monotonic
