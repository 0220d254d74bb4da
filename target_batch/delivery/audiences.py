"""Delivery of audience changes: collected per audience, sent one call after the other, then indexed.

All calls about audiences share one request per second, so a single thread carries them, in order of
arrival. The last change of each member wins. A call is sent when it is full, when its changes have waited
long enough, or when the thread is idle. If the run waits for indexing, accepted changes count as delivered
once they are indexed.
"""

from __future__ import annotations

from collections import Counter, deque
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import msgspec

from target_batch.batch_api.bulk import Receipt
from target_batch.common.errors import DeliveryError, StopRun
from target_batch.common.limits import AUDIENCE_ENTRIES, BODY_BYTES
from target_batch.common.operations import Ticket
from target_batch.common.redaction import clean
from target_batch.delivery.base import BLOCKED_WAIT, Delivery

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from target_batch.batch_api.audiences import AudienceSender, Look
    from target_batch.common.clock import Clock, Stop
    from target_batch.common.operations import AudienceChange, Origin
    from target_batch.delivery.fates import Fates

MOST_WAITING: Final = 100_000
"""Records that may wait across all audiences before the fullest audience is sent early."""

WAITING_BYTES: Final = 32_000_000
"""Maximum size in bytes of the records that wait across all audiences."""

SHARE: Final = 0.1
"""The next poll comes after this share of the time waited so far: soon at first, less often later."""

LONGEST_PAUSE: Final = 10.0
"""Maximum seconds between two polls."""

BESIDE_CALLS: Final = 15.0
"""Seconds between two polls while changes are being sent. A poll takes one of the calls that Batch allows,
one a second; without any, no state could be emitted meanwhile."""

_encode: Final = msgspec.json.Encoder(decimal_format="number").encode


def as_member(change: AudienceChange) -> dict[str, Any]:
    """Return the member of a change as Batch expects it; only one to add has attributes and tags."""
    member: dict[str, Any] = {"id": change.member}
    if change.add and change.attributes:
        member["attributes"] = change.attributes
    if change.add and change.tags:
        member["tags"] = change.tags
    return member


@dataclass(slots=True)
class Member:
    """The change of one member in one call, and the tickets of its records, of which the last one wins."""

    change: AudienceChange
    tickets: list[Ticket]

    def encoded(self) -> bytes:
        """Encode the member for an update call."""
        return _encode({"action": "add" if self.change.add else "remove", **as_member(self.change)})


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
        for origins in self._origins.elements():
            yield [Ticket(origin, self.line, b"") for origin in origins]


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
        member = members.pop(change.member, None) or Member(change, [])
        member.change = change
        member.tickets.append(ticket)
        members[change.member] = member  # last: the newest change names the audience in its request
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
        return [name for name, gathered in self._audiences.items() if gathered.since <= moment]

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


class PollTiming:
    """Timing of the polls: wait at most `seconds`, and not beyond the deadline of a run that has to end.

    `waits` is whether the run waits at all until its own changes are indexed.
    """

    def __init__(self, clock: Clock, seconds: float, stop: Stop, *, waits: bool = True) -> None:
        self.now = clock.monotonic
        self._stop = stop
        self._seconds = seconds
        self.waits = waits

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
        if now - since > self._seconds:
            raise DeliveryError(
                f"{audience} within {self._seconds:.0f} seconds (it is {clean(state, 40)}), so the state is "
                "held. Run again later, raise `max_indexing_seconds`, or set `wait_for_indexing` to false."
            )
        if now > self._stop.deadline:
            raise DeliveryError(f"{audience} when the run had to end, so the state is held. Run again.")


class Audience(NamedTuple):
    """One audience: its name, and the sender for its platform (and key)."""

    sender: AudienceSender
    name: str


class AcceptedRequest(NamedTuple):
    """An accepted request, its token (empty if Batch returned none), and when it was accepted."""

    token: str
    since: float
    request: AudienceRequest


@dataclass(slots=True)
class Unindexed:
    """The accepted requests of one audience, oldest first; the last poll asked about the first `asked`."""

    accepted: deque[AcceptedRequest] = field(default_factory=deque)
    asked: int = 0
    next_poll: float = 0.0


class IndexPolling:
    """Keeps accepted requests until Batch shows that it has indexed them; one poll is made at a time."""

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

    def due(self, *, busy: bool) -> tuple[Audience, str] | None:
        """Return the audience to poll now, if any, and the token of the request to ask about.

        While `busy`, when changes are being sent, polls are rare, and ask about the same request until it is
        indexed; otherwise they ask about the newest one.
        """
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
        unindexed = self._audiences[chosen]
        if not busy or not unindexed.asked:
            unindexed.asked = len(unindexed.accepted)
        return chosen, unindexed.accepted[unindexed.asked - 1].token

    def seen(self, audience: Audience, look: Look) -> list[AudienceRequest]:
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
        indexed = [unindexed.accepted.popleft().request for _ in range(unindexed.asked)]
        unindexed.asked = 0
        if not unindexed.accepted:
            del self._audiences[audience]
        return indexed


class AudienceDelivery(Delivery):
    """Delivers audience changes through one or more senders (an app audience is sent with every key).

    A change waits at most `longest_wait` seconds for others to share its call.
    """

    def __init__(
        self, senders: Sequence[AudienceSender], fates: Fates, timing: PollTiming, longest_wait: float
    ) -> None:
        super().__init__("batch-audiences", 1)
        self._senders = senders
        self._fates = fates
        self._timing = timing
        self._longest_wait = longest_wait
        self._pending = PendingChanges(timing.now)
        self._open: list[AudienceRequest] = []
        self._index = IndexPolling(timing)
        self._looking = False

    def put(self, change: AudienceChange, ticket: Ticket) -> None:
        """Add a change."""
        if (name := self._pending.put(change, ticket)) is not None:
            self._dispatch(name)

    def flush(self) -> None:
        """Send everything that waits."""
        for name in self._pending.names():
            self._dispatch(name)

    def checkpoint(self) -> None:
        """Send the fullest audience if the thread is idle: calls are scarce, and better sent full."""
        if self._pending.records and not self.in_flight:
            self._dispatch(self._pending.fullest())

    def _dispatch(self, name: str) -> None:
        requests = list(self._pending.take(name))
        self._open += requests
        for request in requests:
            while self.in_flight > len(self._senders):
                self._progress(BLOCKED_WAIT)
            request.open_answers = request.open_indexes = len(self._senders)
            label = request.members[-1].change.display_name
            for sender in self._senders:
                self._submit(
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

    def take_answers(self, timeout: float = 0.0) -> None:
        """Settle the answers that have arrived, and send changes that have waited long enough."""
        self._progress(timeout)
        for name in self._pending.older_than(self._timing.now() - self._longest_wait):
            self._dispatch(name)

    def _progress(self, timeout: float) -> None:
        """Settle answers, and poll the index if it is time."""
        super().take_answers(timeout)
        if self._looking or (due := self._index.due(busy=self.in_flight > 0)) is None:
            return
        audience, token = due
        self._looking = True
        self._submit(partial(audience.sender.look, audience.name, token), partial(self._looked, audience))

    def _looked(self, audience: Audience, look: Look | Receipt) -> None:
        self._looking = False
        if isinstance(look, Receipt):
            self._failure = self._failure or look.failure
            return
        try:
            for request in self._index.seen(audience, look):
                self._confirmed(request)
        except StopRun as error:
            self._failure = self._failure or error

    def finish(self) -> None:
        """Send everything, and wait for every answer and, if configured, for indexing."""
        self.flush()
        while self._open:
            if self._index and not self.in_flight:
                self._timing.pause_until(self._index.next_poll)
            self._progress(BLOCKED_WAIT)
        if self._failure is not None:  # due to the last answer, for example to too many refusals
            raise self._failure

    @property
    def waiting(self) -> bool:
        """Whether any change has not been sent yet."""
        return self._pending.records > 0

    def oldest_line(self) -> int | None:
        """Return the input line of the oldest record whose fate is open, if there is one."""
        lines = [request.line for request in self._open]
        if (waiting := self._pending.oldest_line()) is not None:
            lines.append(waiting)
        return min(lines, default=None)
