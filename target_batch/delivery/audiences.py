"""Delivery of audience changes: collected per audience, sent one call after the other, then indexed.

All calls about audiences share one request per second, so a single thread carries them, in order of
arrival. The last change of each member wins. A call is sent when it is full, when its changes have waited
long enough, or when the thread is idle. If the run waits for indexing, accepted changes count as delivered
once they are indexed.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from functools import partial
from itertools import repeat, takewhile
from typing import TYPE_CHECKING, Any, Final

import msgspec

from target_batch.batch_api.bulk import Receipt
from target_batch.common.errors import StopRun
from target_batch.common.limits import AUDIENCE_ENTRIES, BODY_BYTES
from target_batch.common.operations import Ticket
from target_batch.delivery.index_polling import Audience, IndexPolling
from target_batch.delivery.workers import BLOCKED_WAIT, Workers

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from target_batch.batch_api.audiences import AudienceSender, Look
    from target_batch.common.clock import Clock
    from target_batch.common.operations import AudienceChange, Origin
    from target_batch.delivery.fates import Fates
    from target_batch.delivery.index_polling import AcceptedRequest, PollTiming

MOST_WAITING: Final = 100_000
"""Records that may wait across all audiences before the fullest audience is sent early."""

WAITING_BYTES: Final = 32_000_000
"""Maximum size in bytes of the records that wait across all audiences."""

_encode: Final = msgspec.json.Encoder(decimal_format="number").encode


@dataclass(slots=True)
class Member:
    """The change of one member in one call, and the tickets of its records, of which the last one wins."""

    change: AudienceChange
    tickets: list[Ticket]

    def encoded(self) -> bytes:
        """Encode the member for an update call; only an `add` has attributes and tags."""
        change = self.change
        member: dict[str, Any] = {"action": "add" if change.add else "remove", "id": change.member}
        if change.add and change.attributes:
            member["attributes"] = change.attributes
        if change.add and change.tags:
            member["tags"] = change.tags
        return _encode(member)


@dataclass(slots=True, eq=False)
class AudienceRequest:
    """The members of one request, the input line of their oldest record, and what is still open.

    The request is sent by every sender: `open_answers` counts those without an answer so far,
    `open_indexes` those for which Batch has not indexed it yet.
    """

    members: list[Member]
    bodies: list[bytes]
    line: int
    open_answers: int = 0
    open_indexes: int = 0
    _origins: Counter[tuple[Origin, ...]] = field(default_factory=Counter)

    def answered(self) -> None:
        """Note an answer; after the last one only counts are kept, as indexing may take long."""
        self.open_answers -= 1
        if not self.open_answers:
            accepted = (member.tickets for member in self.members if member.tickets)
            self._origins.update(tuple(ticket.origin for ticket in tickets) for tickets in accepted)
            self.members, self.bodies = [], []

    def delivered(self) -> Iterator[list[Ticket]]:
        """Yield, for each accepted member, one ticket per record of it; these tickets have no content."""
        for origins, members in self._origins.items():
            yield from repeat([Ticket(origin, self.line, b"") for origin in origins], members)


@dataclass(slots=True)
class Gathered:
    """The changes that wait for one audience, and since when."""

    line: int
    since: float
    members: dict[str, Member] = field(default_factory=dict)
    records: int = 0
    size: int = 0


class PendingChanges:
    """The changes that wait for all audiences, oldest audience first; limited in records and bytes."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._audiences: dict[str, Gathered] = {}
        self.records = 0
        self._bytes = 0

    def put(self, change: AudienceChange, ticket: Ticket) -> str | None:
        """Add a change; return the name of the audience that should be sent now, if any.

        A call is full by its number of members; `take` splits calls by the size of their bodies.
        """
        gathered = self._audiences.get(change.audience)
        if gathered is None:
            gathered = self._audiences[change.audience] = Gathered(ticket.line, self._now())
        size = len(ticket.source)
        gathered.records += 1
        gathered.size += size
        self.records += 1
        self._bytes += size
        members = gathered.members
        member = members.pop(change.member, None)
        if member is None:
            members[change.member] = Member(change, [ticket])
        else:
            member.change = change
            member.tickets.append(ticket)
            members[change.member] = member
        if len(members) >= AUDIENCE_ENTRIES:
            return change.audience
        if self._bytes >= WAITING_BYTES:
            return max(self._audiences, key=lambda name: self._audiences[name].size)
        return self.fullest() if self.records >= MOST_WAITING else None

    def fullest(self) -> str:
        """Return the audience with the most waiting records."""
        return max(self._audiences, key=lambda name: self._audiences[name].records)

    def older_than(self, moment: float) -> list[str]:
        """Return the audiences with changes that have waited since `moment` or longer."""
        waited = takewhile(lambda found: found[1].since <= moment, self._audiences.items())
        return [name for name, _ in waited]

    def take(self, name: str) -> Iterator[AudienceRequest]:
        """Take out the changes of an audience, in requests of at most 10,000 members and about 5 MB."""
        gathered = self._audiences.pop(name)
        self.records -= gathered.records
        self._bytes -= gathered.size
        members: list[Member] = []
        bodies: list[bytes] = []
        size = 0
        for member in gathered.members.values():
            body = member.encoded()
            if bodies and (len(bodies) >= AUDIENCE_ENTRIES or size + len(body) > BODY_BYTES):
                yield AudienceRequest(members, bodies, gathered.line)
                members, bodies, size = [], [], 0
            members.append(member)
            bodies.append(body)
            size += len(body) + 1
        yield AudienceRequest(members, bodies, gathered.line)

    def names(self) -> list[str]:
        """Return the audiences with waiting changes."""
        return list(self._audiences)

    def oldest_line(self) -> int | None:
        """Return the input line of the oldest waiting record, if there is one."""
        return min((gathered.line for gathered in self._audiences.values()), default=None)


class AudienceDelivery:
    """Delivers audience changes through one or more senders (an app audience is sent with every key).

    A change waits at most `longest_wait` seconds for others to share its call.
    """

    def __init__(
        self,
        senders: Sequence[AudienceSender],
        fates: Fates,
        clock: Clock,
        timing: PollTiming,
        longest_wait: float,
    ) -> None:
        self._senders = senders
        self._fates = fates
        self._timing = timing
        self._now = clock.monotonic
        self._longest_wait = longest_wait
        self._waiting = PendingChanges(clock.monotonic)
        self._open: list[AudienceRequest] = []
        self._index = IndexPolling(timing)
        self._looking = False
        self._threads = Workers("batch-audiences", 1)
        self._failure: StopRun | None = None

    def put(self, change: AudienceChange, ticket: Ticket) -> None:
        """Add a change.

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

    def checkpoint(self) -> None:
        """Send the fullest audience if the thread is idle; a busy one is better kept for full calls."""
        if self._waiting.records and not self._threads.in_flight:
            self._dispatch(self._waiting.fullest())

    def _dispatch(self, name: str) -> None:
        requests = list(self._waiting.take(name))
        self._open += requests
        for request in requests:
            while self._threads.in_flight > len(self._senders):
                self._progress(BLOCKED_WAIT)
            request.open_answers = request.open_indexes = len(self._senders)
            label = request.members[-1].change.display_name
            for sender in self._senders:
                self._threads.submit(
                    partial(sender.change, name, label, request.bodies),
                    partial(self._answered, Audience(sender, name), request),
                )

    def _answered(self, audience: Audience, request: AudienceRequest, receipt: Receipt) -> None:
        if receipt.failure is not None:
            self._failure = self._failure or receipt.failure
            return
        for index, refusals in sorted(receipt.refused.items()):
            member = request.members[index]
            if member.tickets:
                self._fates.refused(member.tickets, refusals)
                member.tickets = []
        request.answered()
        if receipt.token is not None and self._timing.waits:
            self._index.accepted(audience, receipt.token, request)
        else:
            self._confirmed(request)

    def _confirmed(self, request: AudienceRequest) -> None:
        request.open_indexes -= 1
        if request.open_indexes:
            return
        self._open.remove(request)
        self._fates.all_delivered(list(request.delivered()))
        self._failure = self._failure or self._fates.tripped()

    def settle(self, timeout: float = 0.0) -> None:
        """Settle the answers that have arrived, and send changes that have waited long enough.

        Raises:
            StopRun: a call could not be delivered, or indexing took too long.
        """
        self._progress(timeout)
        for name in self._waiting.older_than(self._now() - self._longest_wait):
            self._dispatch(name)

    def _progress(self, timeout: float) -> None:
        """Settle answers, and poll the index if it is time."""
        self._threads.settle(timeout)
        if self._failure is not None:
            raise self._failure
        if self._looking or (due := self._index.due(busy=self._threads.in_flight > 0)) is None:
            return
        audience, asked = due
        self._looking = True
        self._threads.submit(
            partial(audience.sender.look, audience.name, asked.token),
            partial(self._looked, audience, asked),
        )

    def _looked(self, audience: Audience, asked: AcceptedRequest, look: Look | Receipt) -> None:
        self._looking = False
        if isinstance(look, Receipt):
            self._failure = self._failure or look.failure
            return
        try:
            for request in self._index.seen(audience, asked, look):
                self._confirmed(request)
        except StopRun as error:
            self._failure = self._failure or error

    def finish(self) -> None:
        """Send everything, and wait for every answer and, if configured, for indexing.

        Raises:
            StopRun: something could not be delivered.
        """
        self.flush()
        while self._open:
            if self._index and not self._threads.in_flight:
                self._timing.pause_until(self._index.next_poll)
            self._progress(BLOCKED_WAIT)

    def salvage(self) -> None:
        """After a failure, settle one more answer of the calls in flight."""
        self._threads.settle(BLOCKED_WAIT)

    @property
    def waiting(self) -> bool:
        """Whether any change has not been sent yet."""
        return self._waiting.records > 0

    @property
    def failed(self) -> bool:
        """Whether something could not be delivered."""
        return self._failure is not None

    @property
    def in_flight(self) -> int:
        """The number of calls in flight or queued."""
        return self._threads.in_flight

    def oldest_line(self) -> int | None:
        """Return the input line of the oldest record whose fate is open, if there is one."""
        lines = [request.line for request in self._open]
        if (waiting := self._waiting.oldest_line()) is not None:
            lines.append(waiting)
        return min(lines, default=None)
