"""Time, injected so that tests can move it."""

import time
from collections.abc import Callable
from typing import NamedTuple


class Clock(NamedTuple):
    """Two clocks.

    Attributes:
        wall: Unix time in seconds: event windows, what is shown.
        steady: A clock that never goes back, in seconds: rates, indexing, durations.
    """

    wall: Callable[[], float] = time.time
    steady: Callable[[], float] = time.monotonic
