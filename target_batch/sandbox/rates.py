"""Documented rates as token buckets, and what was used of them."""

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
"""Seconds of use kept for the live picture."""


class Budget(NamedTuple):
    """A documented rate.

    Attributes:
        unit: What is counted.
        rate: Units per second.
        burst: Units the bucket holds.
    """

    unit: str
    rate: float
    burst: float


BUDGETS: Final = {
    "profiles/update": Budget("custom IDs", UPDATE_RATE, UPDATE_BURST),
    "profiles/mass-update": Budget("custom IDs", MASS_UPDATE_RATE, MASS_UPDATE_BURST),
    "default": Budget("requests", DEFAULT_RATE, DEFAULT_BURST),
}
"""Budgets by endpoint; whatever has none of its own shares ``default``."""


@dataclass
class TokenBucket:
    """A bucket that starts full and fills at a constant rate.

    A refused call takes nothing out. A call may come `RATE_TOLERANCE` early; what it takes then is a
    debt, so the mean rate holds.

    Args:
        budget: Its rate and size.
        updated: Time of the last change, on the steady clock.
    """

    budget: Budget
    updated: float
    tokens: float = field(init=False)

    def __post_init__(self) -> None:
        self.tokens = self.budget.burst

    def take(self, units: int, now: float) -> bool:
        """Take units out if they are there; tell whether they were."""
        elapsed = max(0.0, now - self.updated)
        self.updated = max(now, self.updated)
        self.tokens = min(self.budget.burst, self.tokens + elapsed * self.budget.rate)
        if units > self.tokens + RATE_TOLERANCE * self.budget.rate:
            return False
        self.tokens -= units
        return True


class Usage:
    """What was let through of one budget, second by second.

    Args:
        budget: The budget.
    """

    def __init__(self, budget: Budget) -> None:
        self.budget = budget
        self.total = 0
        self.peak = 0
        self._window: deque[tuple[float, int]] = deque()
        self._in_window = 0
        self._seconds: deque[list[int]] = deque(maxlen=HISTORY_SECONDS)

    def count(self, units: int, now: float, *, refused: bool) -> None:
        """Count units that were let through or refused at `now`, on the steady clock."""
        second = int(now)
        if not self._seconds or self._seconds[-1][0] < second:
            self._seconds.append([second, 0, 0])
        self._seconds[-1][2 if refused else 1] += units
        if refused:
            return
        self.total += units
        self._window.append((now, units))
        self._in_window += units
        while self._window[0][0] <= now - 1:
            self._in_window -= self._window.popleft()[1]
        self.peak = max(self.peak, self._in_window)

    def history(self, now: float) -> tuple[list[int], list[int]]:
        """Return units let through and units refused for each of the last 120 seconds."""
        first = int(now) - HISTORY_SECONDS + 1
        used, refused = [0] * HISTORY_SECONDS, [0] * HISTORY_SECONDS
        for second, units, over in self._seconds:
            if second >= first:
                used[second - first], refused[second - first] = units, over
        return used, refused


class Rates:
    """The budgets of every project and app.

    Attributes:
        enforced: Whether a call above its budget is refused.
        usage: What was used, by the names of `BUDGETS` for all projects together, and by label for
            each app.
    """

    def __init__(self, *, enforced: bool) -> None:
        self.enforced = enforced
        self._buckets: dict[tuple[str, str], TokenBucket] = {}
        self.clear()

    def admit(self, owner: str, endpoint: str, units: int, now: float) -> bool:
        """Tell whether a call is within its budget, and take it out of there.

        Args:
            owner: The project or app whose budget it is.
            endpoint: What is called.
            units: Custom IDs in the body; counted as one request where requests are counted.
            now: Time of the arrival, on the steady clock.
        """
        name = endpoint if endpoint in BUDGETS else "default"
        budget = BUDGETS[name]
        counted = 1 if budget.unit == "requests" else units
        bucket = self._buckets.get((owner, name))
        if bucket is None:
            bucket = self._buckets[owner, name] = TokenBucket(budget, now)
        admitted = bucket.take(counted, now) or not self.enforced
        shown = name if owner.startswith("project:") else owner
        self.usage.setdefault(shown, Usage(budget)).count(counted, now, refused=not admitted)
        return admitted

    def clear(self) -> None:
        """Fill every bucket and forget what was used."""
        self._buckets.clear()
        self.usage = {name: Usage(budget) for name, budget in BUDGETS.items()}
