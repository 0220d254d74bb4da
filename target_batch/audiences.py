"""Audience changes on their way: gathered per audience, one call after the other, then indexed.

Everything about audiences shares one request a second, so one thread carries it all; its order is
the order of arrival. What is accepted counts as delivered once the index has it, if the run waits
for that.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, Final

import msgspec

from target_batch.api.bulk import Receipt
from target_batch.api.limits import AUDIENCE_ENTRIES, BODY_BYTES
from target_batch.errors import DeliveryError, StopRun
from target_batch.redaction import clean
from target_batch.threads import Threads

if TYPE_CHECKING:
    from collections.abc import Sequence

    from target_batch.api.audiences import AudienceSender
    from target_batch.api.clock import Clock
    from target_batch.fates import Fates, Ticket
    from target_batch.operations import AudienceChange

MOST_WAITING: Final = 50_000
"""Members that wait across all audiences before the fullest audience is sent early."""

BLOCKED_WAIT: Final = 0.5
_encode: Final = msgspec.json.Encoder(decimal_format="number").encode


@dataclass(slots=True)
class Member:
    """What one ID gets in one call, and the tickets of the records it came from: the last one wins."""

    change: AudienceChange
    tickets: list[Ticket]

    def encoded(self) -> bytes:
        """Encode the member as an update takes it; attributes and tags come with an add only."""
        change = self.change
        member: dict[str, Any] = {"action": "add" if change.add else "remove", "id": change.member}
        if change.add and change.attributes:
            member["attributes"] = change.attributes
        if change.add and change.tags:
            member["tags"] = change.tags
        return _encode(member)


@dataclass(frozen=True, slots=True)
class Place:
    """Where an audience is: the platform (and key), by its sender, and the audience's name."""

    sender: AudienceSender
    name: str


@dataclass(slots=True)
class Parcel:
    """The members of one call, the line of the oldest record among them, and how many calls are out."""

    members: list[Member]
    line: int
    open_calls: int = 0
    refused: bool = False


@dataclass(slots=True)
class Unindexed:
    """Parcels that Batch accepted and has not indexed, under the token of the last call."""

    token: str
    since: float
    parcels: list[Parcel] = field(default_factory=list)


class AudienceDelivery:
    """Delivers audience changes to one or more senders (an app audience goes to every key)."""

    def __init__(
        self, senders: Sequence[AudienceSender], fates: Fates, clock: Clock, max_indexing_seconds: float
    ) -> None:
        self._senders = senders
        self._fates = fates
        self._clock = clock
        self._max_indexing_seconds = max_indexing_seconds
        self._waiting: dict[str, dict[str, Member]] = {}
        self._count = 0
        self._open: list[Parcel] = []
        self._unindexed: dict[Place, Unindexed] = {}
        self._polls: deque[Place] = deque()
        self._threads = Threads("batch-audiences", 1)
        self._failure: StopRun | None = None

    def put(self, change: AudienceChange, ticket: Ticket) -> None:
        """Take a change in.

        Raises:
            StopRun: an earlier call could not be delivered.
        """
        members = self._waiting.setdefault(change.audience, {})
        member = members.pop(change.member, None)
        if member is None:
            members[change.member] = Member(change, [ticket])
            self._count += 1
        else:
            member.change = change
            member.tickets.append(ticket)
            members[change.member] = member
        if len(members) >= AUDIENCE_ENTRIES:
            self._dispatch(change.audience)
        elif self._count >= MOST_WAITING:
            self._dispatch(max(self._waiting, key=lambda name: len(self._waiting[name])))

    def flush(self) -> None:
        """Send everything that waits."""
        for name in list(self._waiting):
            self._dispatch(name)

    def _dispatch(self, name: str) -> None:
        members = list(self._waiting.pop(name).values())
        self._count -= len(members)
        for chunk in _cut(members):
            while self._threads.in_flight > len(self._senders):
                self.settle(BLOCKED_WAIT)
            lines = (ticket.line for member in chunk for ticket in member.tickets[:1])
            parcel = Parcel(chunk, min(lines), open_calls=len(self._senders))
            self._open.append(parcel)
            bodies = [member.encoded() for member in chunk]
            label = chunk[-1].change.display_name
            for sender in self._senders:
                self._threads.submit(
                    partial(sender.change, name, label, bodies),
                    partial(self._answered, Place(sender, name), parcel),
                )

    def _answered(self, place: Place, parcel: Parcel, receipt: Receipt) -> None:
        if receipt.failure is not None:
            self._failure = self._failure or receipt.failure
            return
        for index in sorted(receipt.refused, reverse=True):
            member = parcel.members[index]
            if member.tickets:
                self._fates.refused(member.tickets, receipt.refused[index])
                member.tickets = []
        token = receipt.document.get("indexing_token")
        if not token or not self._max_indexing_seconds:
            self._confirmed(parcel)
            return
        unindexed = self._unindexed.setdefault(place, Unindexed(token, self._clock.monotonic()))
        unindexed.token, unindexed.since = token, self._clock.monotonic()
        unindexed.parcels.append(parcel)
        if place not in self._polls:
            self._polls.append(place)

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
        if self._polls and not self._threads.in_flight:
            place = self._polls.popleft()
            token = self._unindexed[place].token
            self._threads.submit(
                partial(place.sender.size, place.name, token), partial(self._looked, place, token)
            )

    def _looked(self, place: Place, token: str, found: tuple[bool, int] | Receipt) -> None:
        if isinstance(found, Receipt):
            self._failure = self._failure or found.failure
            return
        unindexed = self._unindexed[place]
        if found[0] and token == unindexed.token:
            del self._unindexed[place]
            for parcel in unindexed.parcels:
                self._confirmed(parcel)
            return
        if self._clock.monotonic() - unindexed.since > self._max_indexing_seconds:
            self._failure = self._failure or DeliveryError(
                f"Audience '{clean(place.name)}' was accepted but not indexed within "
                f"{self._max_indexing_seconds:.0f} seconds, so the state is held. Run again later, raise "
                "`max_indexing_seconds`, or set `wait_for_indexing` to false."
            )
            return
        if place not in self._polls:
            self._polls.append(place)

    def finish(self) -> None:
        """Send everything, wait for every answer and, if asked, for the index.

        Raises:
            StopRun: something could not be delivered.
        """
        self.flush()
        while self._open:
            self.settle(BLOCKED_WAIT)

    def salvage(self) -> None:
        """After a failure: settle one more answer of those on the wire."""
        self._threads.settle(BLOCKED_WAIT)

    @property
    def waiting(self) -> bool:
        """Whether a change has not left yet."""
        return self._count > 0

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
        for members in self._waiting.values():
            lines += [member.tickets[0].line for member in members.values()]
        return min(lines, default=None)


def _cut(members: list[Member]) -> list[list[Member]]:
    """Cut into calls of at most 10,000 members and about 5 MB."""
    chunks: list[list[Member]] = [[]]
    size = 0
    for member in members:
        size += sum(len(ticket.source) for ticket in member.tickets[-1:])
        if len(chunks[-1]) >= AUDIENCE_ENTRIES or (size > BODY_BYTES and chunks[-1]):
            chunks.append([])
            size = 0
        chunks[-1].append(member)
    return chunks
