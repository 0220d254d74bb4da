"""Audience requests that Batch has accepted but not indexed yet, and when to poll for them."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from target_batch.common.errors import DeliveryError
from target_batch.common.redaction import clean

if TYPE_CHECKING:
    from target_batch.batch_api.audiences import AudienceSender, Look
    from target_batch.common.clock import Clock, Stop
    from target_batch.delivery.audiences import AudienceRequest

SHARE: Final = 0.1
"""The next poll comes after this share of the time waited so far: soon at first, less often later."""

LONGEST_PAUSE: Final = 10.0
"""Maximum seconds between two polls."""

BESIDE_CALLS: Final = 15.0
"""Seconds between two polls while changes are being sent: one call in 15, so that states can be emitted
meanwhile, too."""


class PollTiming:
    """Timing of the polls: wait at most `seconds`, and not beyond the deadline of a run that has to end.

    `waits` is whether the run waits at all until its own changes are indexed.
    """

    def __init__(self, clock: Clock, seconds: float, stop: Stop, *, waits: bool = True) -> None:
        self._clock = clock
        self._stop = stop
        self.seconds = seconds
        self.waits = waits

    def now(self) -> float:
        """Return the monotonic time in seconds."""
        return self._clock.monotonic()

    def next_poll(self, since: float) -> float:
        """Return the time of the next poll, if the wait for indexing began at `since`."""
        now = self.now()
        return now + min(LONGEST_PAUSE, (now - since) * SHARE)

    def is_due(self, moment: float) -> bool:
        """Return whether the time has come, or the run has to end."""
        return self.now() >= moment or self._stop.requested

    def pause_until(self, moment: float) -> None:
        """Wait until a given time, or until the run has to end."""
        self._stop.pause(moment - self.now())

    def check(self, since: float, name: str, state: str) -> None:
        """Stop the run once the wait has taken too long.

        Raises:
            DeliveryError: the audience is not indexed in time, and the state is held.
        """
        now = self.now()
        audience = f"Audience '{clean(name)}' was accepted but not indexed"
        if now - since > self.seconds:
            raise DeliveryError(
                f"{audience} within {self.seconds:.0f} seconds (it is {clean(state, 40)}), so the state is "
                "held. Run again later, raise `max_indexing_seconds`, or set `wait_for_indexing` to false."
            )
        if now > self._stop.deadline:
            raise DeliveryError(f"{audience} when the run had to end, so the state is held. Run again.")


@dataclass(frozen=True, slots=True)
class Audience:
    """One audience: its name, and the sender for its platform (and key)."""

    sender: AudienceSender
    name: str


@dataclass(frozen=True, slots=True, eq=False)
class AcceptedRequest:
    """An accepted request, its token (empty if Batch returned none), and when it was accepted."""

    token: str
    since: float
    request: AudienceRequest


@dataclass(slots=True)
class Unindexed:
    """The accepted requests of one audience, oldest first, and the one polled last."""

    accepted: deque[AcceptedRequest] = field(default_factory=deque)
    next_poll: float = 0.0
    asked: AcceptedRequest | None = None

    def choose(self, *, newest: bool) -> AcceptedRequest:
        """Choose the request to poll: the newest one, or the one polled last until it is indexed."""
        if newest or self.asked is None or self.asked not in self.accepted:
            self.asked = self.accepted[-1]
        return self.asked


class IndexPolling:
    """Keeps accepted requests until Batch shows that it has indexed them."""

    def __init__(self, timing: PollTiming) -> None:
        self._timing = timing
        self._audiences: dict[Audience, Unindexed] = {}
        self._asked_at = 0.0

    def __bool__(self) -> bool:
        return bool(self._audiences)

    @property
    def next_poll(self) -> float:
        """The time before which no poll is due."""
        return min(unindexed.next_poll for unindexed in self._audiences.values())

    def accepted(self, audience: Audience, token: str, request: AudienceRequest) -> None:
        """Keep an accepted request."""
        now = self._timing.now()
        if not self._audiences:
            self._asked_at = now
        unindexed = self._audiences.setdefault(audience, Unindexed())
        unindexed.accepted.append(AcceptedRequest(token, now, request))
        unindexed.next_poll = now

    def due(self, *, busy: bool) -> tuple[Audience, AcceptedRequest] | None:
        """Return the request to poll now, if any; rarely while `busy`, when changes are being sent."""
        if not self._audiences:
            return None
        if busy:
            if self._timing.now() < self._asked_at + BESIDE_CALLS:
                return None
            chosen = min(self._audiences, key=lambda audience: self._audiences[audience].accepted[0].since)
        else:
            chosen = min(self._audiences, key=lambda audience: self._audiences[audience].next_poll)
            if not self._timing.is_due(self._audiences[chosen].next_poll):
                return None
        self._asked_at = self._timing.now()
        return chosen, self._audiences[chosen].choose(newest=not busy)

    def seen(self, audience: Audience, asked: AcceptedRequest, look: Look) -> list[AudienceRequest]:
        """Process the answer to a poll; return the indexed requests: the polled one and all before it.

        Raises:
            StopRun: indexing takes too long.
        """
        unindexed = self._audiences[audience]
        if not look.indexed:
            oldest = unindexed.accepted[0].since
            unindexed.next_poll = self._timing.next_poll(oldest)
            self._timing.check(oldest, audience.name, look.state)
            return []
        count = unindexed.accepted.index(asked) + 1
        indexed = [unindexed.accepted.popleft().request for _ in range(count)]
        if not unindexed.accepted:
            del self._audiences[audience]
        return indexed
