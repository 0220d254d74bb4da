"""Documented rates: token buckets, one-second windows where no burst is allowed, and usage statistics."""

from collections import deque
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from target_batch.sandbox.rules.limits import (
    DEFAULT_BURST,
    DEFAULT_RATE,
    MASS_UPDATE_BURST,
    MASS_UPDATE_RATE,
    RATE_TOLERANCE,
    UPDATE_BURST,
    UPDATE_RATE,
)

HISTORY_SECONDS: Final = 120
"""Seconds of usage history kept for the live chart."""
REFUSING_SECONDS: Final = 1 - RATE_TOLERANCE
"""Minimum seconds of refusals after a 429: "more calls keep failing" [doc]; for how long is open."""
WINDOW_SECONDS: Final = 1 - RATE_TOLERANCE
"""Length of the one-second window, for limits without a burst and for the peaks displayed."""


class Budget(NamedTuple):
    """A documented rate.

    Attributes:
        unit: Unit that is counted.
        rate: Units per second.
        burst: Capacity of the bucket, in units.
    """

    unit: str
    rate: float
    burst: float

    @property
    def has_burst(self) -> bool:
        """Whether more than one second's worth of units may arrive at once."""
        return self.burst > self.rate


BUDGETS: Final = {
    "profiles/update": Budget("custom IDs", UPDATE_RATE, UPDATE_BURST),
    "profiles/mass-update": Budget("custom IDs", MASS_UPDATE_RATE, MASS_UPDATE_BURST),
    "default": Budget("requests", DEFAULT_RATE, DEFAULT_BURST),
}
"""Budgets by endpoint; all other endpoints share ``default``."""


@dataclass
class TokenBucket:
    """A bucket that starts full and fills at a constant rate.

    A refused call takes no tokens. A call may arrive `RATE_TOLERANCE` seconds early; the tokens it takes
    then are a debt, so the mean rate holds.

    Args:
        budget: Rate and capacity.
        updated: Time of the last change, on the steady clock.
    """

    budget: Budget
    updated: float
    tokens: float = field(init=False)

    def __post_init__(self) -> None:
        self.tokens = self.budget.burst

    def take(self, units: int, now: float) -> bool:
        """Take units out of the bucket if there are enough; return whether there were."""
        elapsed = max(0.0, now - self.updated)
        self.updated = max(now, self.updated)
        self.tokens = min(self.budget.burst, self.tokens + elapsed * self.budget.rate)
        if units > self.tokens + RATE_TOLERANCE * self.budget.rate:
            return False
        self.tokens -= units
        return True


class Window:
    """The number of units in the last second, and the highest number in any second."""

    def __init__(self) -> None:
        self.units = 0
        self.peak = 0
        self._counted: deque[tuple[float, int]] = deque()

    def move(self, now: float) -> None:
        """Drop the units counted before the second that ends at `now`."""
        while self._counted and self._counted[0][0] <= now - WINDOW_SECONDS:
            self.units -= self._counted.popleft()[1]

    def add(self, units: int, now: float) -> None:
        """Count units at `now`; the window must have been moved there."""
        self._counted.append((now, units))
        self.units += units
        self.peak = max(self.peak, self.units)


class Meter:
    """The use that one project or app makes of one budget.

    Args:
        budget: The budget.
        now: The current time, on the steady clock.
    """

    def __init__(self, budget: Budget, now: float) -> None:
        self.window = Window()
        self._budget = budget
        self._bucket = TokenBucket(budget, now)
        self._latest = now
        self._refusing_until = now

    def take(self, units: int, now: float, *, enforced: bool) -> bool:
        """Take units out of the budget if it allows them; return whether they are admitted.

        Calls whose bodies arrive in a different order from their headers count as simultaneous.
        """
        self._latest = max(self._latest, now)
        self.window.move(self._latest)
        waited = self._latest >= self._refusing_until
        fits = self._budget.has_burst or self.window.units + units <= self._budget.rate
        admitted = (waited and fits and self._bucket.take(units, self._latest)) or not enforced
        if admitted:
            self.window.add(units, self._latest)
        elif waited:
            self._refusing_until = self._latest + REFUSING_SECONDS
        return admitted


class Usage:
    """The units admitted and refused under one budget, second by second.

    Args:
        budget: The budget.
    """

    def __init__(self, budget: Budget) -> None:
        self.budget = budget
        self.total = 0
        self.peak = 0
        self._seconds: deque[list[int]] = deque(maxlen=HISTORY_SECONDS)

    def count(self, units: int, now: float, *, refused: bool) -> None:
        """Count units that were admitted or refused at `now`, on the steady clock."""
        second = int(now)
        if not self._seconds or self._seconds[-1][0] < second:
            self._seconds.append([second, 0, 0])
        self._seconds[-1][2 if refused else 1] += units
        if not refused:
            self.total += units

    def history(self, now: float) -> tuple[list[int], list[int]]:
        """Return the units admitted and the units refused in each of the last 120 seconds."""
        first = int(now) - HISTORY_SECONDS + 1
        used, refused = [0] * HISTORY_SECONDS, [0] * HISTORY_SECONDS
        for second, units, over in self._seconds:
            if second >= first:
                used[second - first], refused[second - first] = units, over
        return used, refused


class Rates:
    """The budgets of every project and app.

    Attributes:
        enforced: Whether calls above their budget are refused.
        usage: Usage by name in `BUDGETS` for all projects together, and by label for each app. Its
            peak is the maximum that a single project or app had within one second.
    """

    def __init__(self, *, enforced: bool) -> None:
        self.enforced = enforced
        self.usage = {name: Usage(budget) for name, budget in BUDGETS.items()}
        self._meters: dict[tuple[str, str], Meter] = {}

    def admit(self, owner: str, endpoint: str, units: int, now: float) -> bool:
        """Count a call against its budget and return whether it is admitted.

        Args:
            owner: The project or app that owns the budget.
            endpoint: The endpoint called.
            units: Custom IDs in the body; ignored if the budget counts requests.
            now: Time of arrival, on the steady clock.
        """
        name = endpoint if endpoint in BUDGETS else "default"
        budget = BUDGETS[name]
        counted = 1 if budget.unit == "requests" else units
        meter = self._meters.get((owner, name))
        if meter is None:
            meter = self._meters[owner, name] = Meter(budget, now)
        admitted = meter.take(counted, now, enforced=self.enforced)
        shown = name if owner.startswith("project:") else owner
        usage = self.usage.setdefault(shown, Usage(budget))
        usage.count(counted, now, refused=not admitted)
        usage.peak = max(usage.peak, meter.window.peak)
        return admitted
