"""Delivery of profile updates: operations → requests → answers → fates. Read `base.py`, then this module.

The main thread adds operations, cuts requests and settles fates; a few threads carry the requests.
This module does not depend on Singer, and does not decide what an answer means.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timezone
from itertools import count
from typing import TYPE_CHECKING, Final, NamedTuple

from target_batch.batch_api.answers import Refusal
from target_batch.batch_api.endpoints import MASS_UPDATE, UPDATE, BulkEndpoint
from target_batch.common.errors import StopRun
from target_batch.common.limits import BODY_BYTES, EVENT_AGE_SECONDS
from target_batch.common.operations import spellings_of
from target_batch.common.reasons import Issue, Reason
from target_batch.delivery.base import BLOCKED_WAIT, Delivery
from target_batch.delivery.profile_buffer import Entry, ProfileBuffer, Sending, seal

if TYPE_CHECKING:
    from collections.abc import Callable

    from target_batch.batch_api.bulk import BulkSender, Receipt
    from target_batch.common.operations import ProfileUpdate, Ticket
    from target_batch.delivery.erasures import ErasedPeople
    from target_batch.delivery.fates import Fates
    from target_batch.delivery.memory import Memory

REQUESTS_IN_FLIGHT: Final = 16
"""At 10,000 custom IDs per second and 2 seconds per answer, 10 requests of 2,000 are always in flight: 16
leave room for answers that take 3 seconds."""

PAUSE_FROM_REQUESTS: Final = 6
"""Requests in flight from which on reading pauses before it makes another one."""

PAUSE_SECONDS: Final = 0.01
"""Seconds of that pause: the senders need the interpreter, too, and waiting requests only fill memory."""

FIRST_ALONE_SECONDS: Final = 0.5
"""Seconds for which the first request is sent alone; a wrong key or address is refused by then."""

MASS_UPDATE_ENTRIES: Final = 2000
"""Entries in one mass update: a fifth of what Batch allows in a request and of what it accepts per second.
Smaller requests arrive more evenly, larger ones need fewer requests in flight."""

SMALL_DRAIN: Final = 1000
"""Custom IDs that /profiles/update accepts at once (its burst); `auto` prefers it up to this number."""

ON_ITS_WAY: Final = 60.0
"""Seconds before the end of Batch's window for events within which an event is no longer sent."""

TOO_LATE: Final = Issue(
    Reason.EVENT_OUTSIDE_WINDOW, message="It may reach Batch after the end of its window of 24 hours."
)
NO_UTF8: Final = Refusal("It holds text that cannot be encoded as UTF-8.", alone=True)

WAITING_ENTRIES: Final = 10_000
"""Entries that may wait, most of them behind busy custom IDs, before reading has to wait, too."""

WAITING_BYTES: Final = 2 * BODY_BYTES


@dataclass(frozen=True, slots=True)
class Policy:
    """Options of the delivery.

    `profile_endpoint` is `auto`, `update` or `mass_update`. `most_ahead` is the maximum number of records
    confirmed after an older one that is not: after a crash they are sent again. `most_entries` limits one
    request. With `late_as_now`, an event that has become too old is sent without its time. Without
    `risks_events_twice`, an event whose answer was lost is not sent again.
    """

    profile_endpoint: str = "auto"
    most_ahead: int = 10_000
    most_entries: int = MASS_UPDATE_ENTRIES
    late_as_now: bool = False
    risks_events_twice: bool = True


class OpenRequest(NamedTuple):
    """An unanswered request: the input line of its oldest record, its records, and those requested before."""

    line: int
    records: int
    before: int


class ProfileDelivery(Delivery):
    """Delivers profile updates in order per custom ID, several requests at a time.

    The first request is sent alone for a while, so that a wrong key or address costs one request, not one
    per thread.
    """

    def __init__(
        self,
        sender: BulkSender,
        fates: Fates,
        policy: Policy,
        now: Callable[[], float],
        memory: Memory | None = None,
        erased: ErasedPeople | None = None,
    ) -> None:
        super().__init__("batch-sender", REQUESTS_IN_FLIGHT)
        self._now = now
        self._memory = memory
        self._erased = erased
        self._sender = sender
        self._fates = fates
        self._policy = policy
        self._buffer = ProfileBuffer(seals=memory is None)
        self._open: dict[int, OpenRequest] = {}
        """The unanswered requests by their number, in order."""
        self._numbers = count()
        self._requested = 0
        self._mass_used = self._proven = False
        largest = UPDATE.entries if policy.profile_endpoint == "update" else MASS_UPDATE_ENTRIES
        self._most_entries = min(largest, policy.most_entries)

    def put(self, update: ProfileUpdate, ticket: Ticket) -> None:
        """Add an operation; it is sent with the next request that has room for it."""
        buffer = self._buffer
        buffer.put(update, ticket)
        if (
            len(buffer.ready) >= self._most_entries
            or buffer.bytes >= BODY_BYTES
            or buffer.behind >= WAITING_ENTRIES
        ):
            self._relieve()

    def _relieve(self) -> None:
        """Send full requests, and wait for answers while too much waits behind busy custom IDs."""
        self.take_answers()
        while len(self._buffer.ready) >= self._most_entries or (
            self._buffer.ready and self._buffer.bytes >= BODY_BYTES
        ):
            self._dispatch()
        while self._buffer.bytes >= WAITING_BYTES or self._buffer.entries >= WAITING_ENTRIES:
            if not self._buffer.ready:
                self.take_answers(BLOCKED_WAIT)
            else:
                self._dispatch()

    def flush(self) -> None:
        """Send everything that can be sent now."""
        self.take_answers()
        while self._buffer.ready:
            self._dispatch()

    def finish(self) -> None:
        """Send everything and wait for every answer."""
        while self._buffer.entries or self.in_flight:
            self.flush()
            self.take_answers(BLOCKED_WAIT)
        self.take_answers()

    @property
    def endpoint(self) -> BulkEndpoint:
        """The endpoint that currently limits the rate."""
        return MASS_UPDATE if self._mass_used else UPDATE

    @property
    def waiting(self) -> bool:
        """Whether any operation has not been sent yet."""
        return self._buffer.entries > 0

    def oldest_line(self) -> int | None:
        """Return the input line of the oldest record whose fate is open, if there is one."""
        lines = [request.line for request in self._open.values()]
        if (waiting := self._buffer.oldest_line()) is not None:
            lines.append(waiting)
        return min(lines, default=None)

    def _choose_endpoint(self) -> BulkEndpoint:
        """Choose the endpoint; updates sent to the slow one must not be overtaken through the quick one."""
        chosen = self._policy.profile_endpoint
        if chosen == "auto":
            small = self._buffer.entries <= SMALL_DRAIN and not self._mass_used
            chosen = "update" if small else "mass_update"
        self._mass_used |= chosen == "mass_update"
        return UPDATE if chosen == "update" else MASS_UPDATE

    def _dispatch(self) -> None:
        if self.in_flight and not self._proven:
            self.take_answers(FIRST_ALONE_SECONDS)
            self._proven = True
        while self.in_flight and (self.in_flight >= REQUESTS_IN_FLIGHT or self._too_far_ahead()):
            self.take_answers(BLOCKED_WAIT)
        if self.in_flight >= PAUSE_FROM_REQUESTS:
            self.take_answers(PAUSE_SECONDS)
        if not self._buffer.ready:
            return
        endpoint = self._choose_endpoint()
        taken = self._buffer.take(min(self._most_entries, endpoint.entries), BODY_BYTES)
        number = next(self._numbers)
        self._open[number] = OpenRequest(taken.line, taken.records, self._requested)
        self._requested += taken.records
        sending = self._sendable(taken.entries)
        if not sending.entries:
            del self._open[number]
            return
        if self._erased is not None:
            self._erased.come_back([entry.custom_id for entry in sending.entries])
        bodies = [entry.body for entry in sending.entries]
        with_events = [(index, entry) for index, entry in enumerate(sending.entries) if entry.events]
        operations = {index: len(entry.events) + bool(entry.attributes) for index, entry in with_events}
        once: dict[int, bytes | None] = {}
        if not self._policy.risks_events_twice:
            once = {index: entry.without_events() for index, entry in with_events}
        self._submit(
            lambda: self._sender.deliver(endpoint, bodies, once, operations),
            lambda receipt: self._on_receipt(number, sending, receipt),
        )

    def _sendable(self, entries: list[Entry]) -> Sending:
        """Settle entries that must not, cannot or need not be sent; return the rest, encoded.

        Until this returns, and also if it raises, all entries count as in flight and hold the state.
        """
        left = self._reject_late(entries) if [entry for entry in entries if entry.events] else entries
        invalid = seal(left)
        for entry in invalid:
            self._fates.refused(entry.tickets, (NO_UTF8,), named=entry.named)
        if invalid:
            left = [entry for entry in left if entry.body]
        sending = self._leave_out_held(left)
        if len(sending.entries) < len(entries):
            kept = set(map(id, sending.entries))
            self._buffer.free([entry for entry in entries if id(entry) not in kept])
        return sending

    def _reject_late(self, entries: list[Entry]) -> list[Entry]:
        """Reject events that have waited past Batch's window: Batch would drop them and report success.

        Only events with a time of their own can be too late. With `late_as_now`, it is left out instead.
        """
        oldest = datetime.fromtimestamp(self._now() - EVENT_AGE_SECONDS + ON_ITS_WAY, timezone.utc)
        before = f"{oldest:%Y-%m-%dT%H:%M:%SZ}"
        for entry in entries:
            if not entry.events:
                continue
            if self._policy.late_as_now:
                for event in entry.events:
                    if event.get("time", before) < before:
                        del event["time"]
            for ticket in entry.leave_out([event.get("time", before) < before for event in entry.events]):
                self._fates.rejected(ticket, (TOO_LATE,))
        return [entry for entry in entries if entry.tickets]

    def _too_far_ahead(self) -> bool:
        """Return whether too many records are confirmed that were requested after the oldest open request."""
        open_ = [*self._open.values()]
        if not open_:
            return False
        confirmed = self._requested - open_[0].before - sum(request.records for request in open_)
        return confirmed > self._policy.most_ahead

    def _leave_out_held(self, entries: list[Entry]) -> Sending:
        """Settle what Batch already has, and return what has to be sent, encoded."""
        if self._memory is None or not entries:
            return Sending(entries)
        sending = self._memory.claim(entries)
        if sending.unchanged:
            self._sender.vouch()
        self._fates.unchanged(sending.unchanged)
        self._skip(sending.skipped)
        seal(sending.entries)
        return sending

    def _skip(self, tickets: list[Ticket]) -> None:
        """Settle events that may have reached Batch and are not sent again."""
        for ticket in tickets:
            self._fates.ignored(ticket.origin.stream, Reason.EVENT_IN_DOUBT.code)

    def _on_receipt(self, number: int, sending: Sending, receipt: Receipt) -> None:
        try:
            self._settle(number, sending, receipt)
        except StopRun as error:
            self._failure = self._failure or error
            raise
        self._failure = self._failure or receipt.failure or self._fates.tripped()

    def _settle(self, number: int, sending: Sending, receipt: Receipt) -> None:
        entries = sending.entries
        for index in receipt.events_lost - receipt.unconfirmed:
            self._skip(entries[index].leave_out([True] * len(entries[index].events)))
        not_accepted = receipt.unconfirmed | receipt.refused.keys()
        accepted = entries
        if not_accepted:
            accepted = [entry for index, entry in enumerate(entries) if index not in not_accepted]
        self._fates.all_delivered([entry.tickets for entry in accepted if entry.tickets])
        for index in sorted(receipt.refused):
            entry = entries[index]
            self._fates.refused(
                entry.tickets,
                receipt.refused[index],
                named=entry.named,
                properties=entry.properties(),
                attributes=spellings_of(entry.attributes),
                doubted=receipt.doubted,
            )
        if self._memory is not None:
            self._memory.record(sending, receipt)
        if not receipt.unconfirmed:
            self._buffer.free(entries)
            del self._open[number]
