"""Audience changes on their way: gathered per audience, one call after the other, then indexed.

Everything about audiences shares one request a second, so one thread carries it all; its order is
the order of arrival. What is accepted counts as delivered once the index has it, if the run waits
for that.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Final

from target_batch.api.bulk import Receipt
from target_batch.errors import StopRun
from target_batch.parcels import Member, Parcel, Waiting
from target_batch.patience import Patience
from target_batch.threads import Threads

if TYPE_CHECKING:
    from collections.abc import Sequence

    from target_batch.api.audiences import AudienceSender, Look
    from target_batch.api.clock import Clock, Stop
    from target_batch.fates import Fates, Ticket
    from target_batch.operations import AudienceChange

__all__ = ["AudienceDelivery", "Member"]

BLOCKED_WAIT: Final = 0.5


@dataclass(frozen=True, slots=True)
class Place:
    """Where an audience is: the platform (and key), by its sender, and the audience's name."""

    sender: AudienceSender
    name: str


@dataclass(slots=True)
class Unindexed:
    """Parcels that Batch accepted and has not indexed, under the token of the last call."""

    token: str
    since: float
    parcels: list[Parcel] = field(default_factory=list)
    next_poll: float = 0.0


class AudienceDelivery:
    """Delivers audience changes to one or more senders (an app audience goes to every key)."""

    def __init__(
        self,
        senders: Sequence[AudienceSender],
        fates: Fates,
        clock: Clock,
        max_indexing_seconds: float,
        stop: Stop | None = None,
    ) -> None:
        self._senders = senders
        self._fates = fates
        self._patience = Patience(clock, max_indexing_seconds, stop)
        self._waits = max_indexing_seconds > 0
        self._waiting = Waiting()
        self._open: list[Parcel] = []
        self._unindexed: dict[Place, Unindexed] = {}
        self._threads = Threads("batch-audiences", 1)
        self._failure: StopRun | None = None

    def put(self, change: AudienceChange, ticket: Ticket) -> None:
        """Take a change in.

        Raises:
            StopRun: an earlier call could not be delivered.
        """
        name = self._waiting.put(change, ticket)
        if name is not None:
            self._dispatch(name)

    def flush(self) -> None:
        """Send everything that waits."""
        for name in self._waiting.names():
            self._dispatch(name)

    def _dispatch(self, name: str) -> None:
        parcels = list(self._waiting.take(name))
        self._open += parcels
        for parcel in parcels:
            while self._threads.in_flight > len(self._senders):
                self.settle(BLOCKED_WAIT)
            parcel.open_calls = len(self._senders)
            label = parcel.members[-1].change.display_name
            for sender in self._senders:
                self._threads.submit(
                    partial(sender.change, name, label, parcel.bodies),
                    partial(self._answered, Place(sender, name), parcel),
                )

    def _answered(self, place: Place, parcel: Parcel, receipt: Receipt) -> None:
        if receipt.failure is not None:
            self._failure = self._failure or receipt.failure
            return
        for index, refusals in sorted(receipt.refused.items()):
            member = parcel.members[index]
            if member.tickets:
                self._fates.refused(member.tickets, refusals)
                member.tickets = []
        token = receipt.document.get("indexing_token")
        if not token or not self._waits:
            self._confirmed(parcel)
            return
        begun = self._patience.begin()
        unindexed = self._unindexed.setdefault(place, Unindexed(token, begun))
        unindexed.token, unindexed.since, unindexed.next_poll = token, begun, begun
        unindexed.parcels.append(parcel)

    def _confirmed(self, parcel: Parcel) -> None:
        parcel.open_calls -= 1
        if parcel.open_calls:
            return
        self._open.remove(parcel)
        for member in parcel.members:
            if member.tickets:
                self._fates.delivered(member.tickets)
        self._failure = self._failure or self._fates.tripped()

    def settle(self, timeout: float = 0.0) -> None:
        """Settle the answers that have arrived; ask for the index when nothing else is to do.

        Raises:
            StopRun: a call could not be delivered, or the index took too long.
        """
        self._threads.settle(timeout)
        if self._failure is not None:
            raise self._failure
        if self._unindexed and not self._threads.in_flight:
            place = min(self._unindexed, key=lambda place: self._unindexed[place].next_poll)
            unindexed = self._unindexed[place]
            if self._patience.is_due(unindexed.next_poll):
                self._threads.submit(
                    partial(place.sender.look, place.name, unindexed.token),
                    partial(self._looked, place, unindexed.token),
                )

    def _looked(self, place: Place, token: str, look: Look | Receipt) -> None:
        if isinstance(look, Receipt):
            self._failure = self._failure or look.failure
            return
        unindexed = self._unindexed[place]
        if look.indexed and token == unindexed.token:
            del self._unindexed[place]
            for parcel in unindexed.parcels:
                self._confirmed(parcel)
            return
        try:
            self._patience.check(unindexed.since, place.name, look.state)
        except StopRun as error:
            self._failure = self._failure or error
        unindexed.next_poll = self._patience.next_poll(unindexed.since)

    def finish(self) -> None:
        """Send everything, wait for every answer and, if asked, for the index.

        Raises:
            StopRun: something could not be delivered.
        """
        self.flush()
        while self._open:
            self._rest()
            self.settle(BLOCKED_WAIT)

    def _rest(self) -> None:
        """While nothing but the index is open, wait for the next poll."""
        if self._unindexed and not self._threads.in_flight:
            soonest = min(unindexed.next_poll for unindexed in self._unindexed.values())
            self._patience.pause_until(soonest)

    def salvage(self) -> None:
        """After a failure: settle one more answer of those on the wire."""
        self._threads.settle(BLOCKED_WAIT)

    @property
    def waiting(self) -> bool:
        """Whether a change has not left yet."""
        return self._waiting.records > 0

    @property
    def failed(self) -> bool:
        """Whether something could not be delivered."""
        return self._failure is not None

    @property
    def in_flight(self) -> int:
        """Calls on the wire or in line."""
        return self._threads.in_flight

    def oldest_line(self) -> int | None:
        """The input line of the oldest record whose fate is open."""
        lines = [parcel.line for parcel in self._open]
        if (waiting := self._waiting.oldest_line()) is not None:
            lines.append(waiting)
        return min(lines, default=None)
