"""Profile updates that wait to be sent: merged per custom ID, in arrival order per custom ID.

Batch counts custom IDs, so what waits for the same one goes in one entry. An ID that is in flight is
busy: what arrives for it meanwhile gathers here until the answer is there. That alone keeps the
order, whatever the concurrency and the retries.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import msgspec

from target_batch.common.limits import ARRAYS_PER_PROFILE, ATTRIBUTES_PER_ENTRY, EVENTS_PER_ENTRY
from target_batch.common.operations import names_of, spellings_within

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from target_batch.common.operations import ProfileUpdate, Ticket
    from target_batch.ledger.profiles import Claim

_encoder: Final = msgspec.json.Encoder(decimal_format="number")
_encode, _encode_lines = _encoder.encode, _encoder.encode_lines

NOTHING: Final[dict[str, Any]] = {}
"""The attributes of an entry that is sealed; attributes are never changed in place."""

NO_ATTRIBUTES: Final = b',"attributes":{}}'


class Identifiers(msgspec.Struct, gc=False):
    """Whom an entry is about, as Batch wants it."""

    custom_id: str


class Body(msgspec.Struct, gc=False, omit_defaults=True):
    """An entry as Batch wants it."""

    identifiers: Identifiers
    attributes: dict[str, Any] = {}
    events: list[dict[str, Any]] = []


class Profile(msgspec.Struct, gc=False):
    """An entry without events."""

    identifiers: Identifiers
    attributes: dict[str, Any] = {}


_decode: Final = msgspec.json.Decoder(Profile, float_hook=Decimal).decode


class Entry(msgspec.Struct, gc=False):
    """What one custom ID gets in one request, and the tickets of the records it came from.

    `then` is what the same custom ID gets after it; `is_out` from its request to the answer.
    An entry never refers to itself: it goes with its last user, the collector need not look at it.
    """

    custom_id: str
    attributes: dict[str, Any]
    events: list[dict[str, Any]]
    tickets: list[Ticket]
    size: int
    """Bytes of the records it came from."""
    named: Sequence[str] = ()
    """Names of the tickets' events, in their order; empty without events, "" where one has none."""
    identities: Sequence[bytes] = ()
    """What the events are known by in the ledger, in their order."""
    then: Entry | None = None
    is_out: bool = False
    body: bytes = b""
    """The entry as Batch wants it, once it is sealed; its attributes are nowhere else then."""

    def seal(self) -> None:
        """Encode the attributes while they are at hand, not a thousand records later.

        Then they would have to be fetched from far away, and till then they would take twice the room.
        What has no UTF-8 form stays as it is: the request's `seal` tells.
        """
        try:
            self.body = _encode(Profile(Identifiers(self.custom_id), self.attributes))
        except UnicodeEncodeError:
            return
        if self.attributes:
            self.attributes = NOTHING
        else:
            self.body = self.body.removesuffix(NO_ATTRIBUTES) + b"}"

    def without_events(self) -> bytes | None:
        """Return the entry as Batch wants it, but for its events; None where nothing else is in it."""
        return _encode(Body(Identifiers(self.custom_id), self.attributes)) if self.attributes else None

    def _open(self) -> None:
        self.attributes = _decode(self.body).attributes
        self.body = b""

    def merge(self, update: ProfileUpdate, ticket: Ticket) -> bool:
        """Take a later update in, attributes last-wins, events appended; False if it does not fit."""
        if len(self.events) + len(update.events) > EVENTS_PER_ENTRY:
            return False
        if self.body:
            self._open()
        if update.attributes and not self._merge_attributes(update.attributes):
            return False
        if update.events or self.events:
            self.named = [*self.named, *[""] * (len(self.tickets) - len(self.named)), *_names(update)]
            self.identities = [*self.identities, *_identities(update)]
        self.events = [*self.events, *update.events]
        self.tickets.append(ticket)
        self.size += len(ticket.source)
        return True

    def _merge_attributes(self, new: dict[str, Any]) -> bool:
        mine = self.attributes
        for name, value in new.items():
            if type(value) is dict and name in mine:
                return False
        added = {name: None for name in new if name not in mine}
        if added and names_of(added) & names_of(mine):
            return False  # the same attribute in another spelling: Batch does not take both in one entry
        merged = mine | new
        if len(merged) > ARRAYS_PER_PROFILE and _is_too_much(merged):
            return False
        self.attributes = merged
        return True

    def properties(self) -> list[frozenset[str]]:
        """Return the names inside the tickets' events, in their order; none where a ticket has no event."""
        within = (spellings_within(event.get("attributes")) for event in self.events)
        return [next(within) if name else frozenset() for name in self.named]

    def expire(self, before: str) -> list[Ticket]:
        """Take out events whose own time lies before a moment (RFC 3339, UTC), and return their tickets."""
        return self.leave_out([event.get("time", before) < before for event in self.events])

    def leave_out(self, which: Sequence[bool]) -> list[Ticket]:
        """Take out some of the events, and return their tickets."""
        if not any(which):
            return []
        whose = [place for place, name in enumerate(self.named) if name]
        self.events = [event for event, is_out in zip(self.events, which, strict=True) if not is_out]
        self.identities = [one for one, is_out in zip(self.identities, which, strict=True) if not is_out]
        return self._without({place for place, is_out in zip(whose, which, strict=True) if is_out})

    def leave_attributes_out(self) -> list[Ticket]:
        """Take out the attributes, none of which has to be sent, and return the tickets of no event."""
        self.attributes = {}
        named = self.named or [""] * len(self.tickets)
        return self._without({place for place, name in enumerate(named) if not name})

    def _without(self, gone: set[int]) -> list[Ticket]:
        self.body = b""
        tickets = [ticket for place, ticket in enumerate(self.tickets) if place in gone]
        self.size -= sum(len(ticket.source) for ticket in tickets)
        self.tickets = [ticket for place, ticket in enumerate(self.tickets) if place not in gone]
        self.named = [name for place, name in enumerate(self.named) if place not in gone]
        return tickets


def _is_too_much(attributes: dict[str, Any]) -> bool:
    if len(attributes) > ATTRIBUTES_PER_ENTRY:
        return True
    arrays = sum(type(value) in {list, dict} for value in attributes.values())
    return arrays > ARRAYS_PER_PROFILE


def _identities(update: ProfileUpdate) -> list[bytes]:
    return [update.event_identity] * len(update.events)


def _names(update: ProfileUpdate) -> list[str]:
    return [update.events[0]["name"] if update.events else ""]


@dataclass
class Sending:
    """One request before it leaves: its entries, and what the ledger spared them.

    Of `unchanged` records nothing is left to send; `skipped` are events that may or may not have reached
    Batch, and are not risked twice. `claim` stands for what is out in the ledger; `fresh` are the identities
    of events that were never sent before.
    """

    entries: list[Entry] = field(default_factory=list)
    unchanged: list[Ticket] = field(default_factory=list)
    skipped: list[Ticket] = field(default_factory=list)
    claim: Claim | None = None
    fresh: set[bytes] = field(default_factory=set)


class Cut(NamedTuple):
    """The entries of one request, the input line of their oldest record, and their records."""

    entries: list[Entry]
    line: int
    records: int


class ProfileBuffer:
    """Waiting entries; `entries` and `records` count them, `bytes` is the size of those records.

    Entries without events are sealed as they come, unless somebody wants to see their attributes.
    """

    def __init__(self, *, seals: bool = True) -> None:
        self._seals = seals
        self._newest: dict[str, Entry] = {}
        """Custom ID → the last of its entries that wait or are out."""
        self._behind: dict[str, Entry] = {}
        """Custom ID that is out → what it gets next."""
        self.ready: deque[Entry] = deque()
        """Entries that could leave now."""
        self.entries = self.records = self.bytes = 0

    def put(self, update: ProfileUpdate, ticket: Ticket) -> None:
        """Take an update in: into an entry that waits for its custom ID, or as a new one."""
        custom_id = update.custom_id
        size = len(ticket.source)
        self.bytes += size
        self.records += 1
        newest = self._newest.get(custom_id)
        if newest is not None and not newest.is_out and newest.merge(update, ticket):
            return
        entry = Entry(custom_id, update.attributes, update.events, [ticket], size)
        if update.events:
            entry.named = _names(update)
            entry.identities = _identities(update)
        elif self._seals:
            entry.seal()
        self.entries += 1
        self._newest[custom_id] = entry
        if newest is None:
            self.ready.append(entry)
        else:
            newest.then = entry
            if newest.is_out:
                self._behind[custom_id] = entry

    def cut(self, most_entries: int, most_bytes: int) -> Cut:
        """Take out what can leave in one request, oldest first; its custom IDs are busy from now.

        `most_bytes` are counted in the records it came from; one entry always leaves.
        """
        taken: list[Entry] = []
        line, records, size = 0, 0, 0
        ready = self.ready
        while ready and len(taken) < most_entries:
            entry = ready[0]
            size += entry.size
            if size > most_bytes and taken:
                size -= entry.size
                break
            ready.popleft()
            entry.is_out = True
            if entry.then is not None:
                self._behind[entry.custom_id] = entry.then
            records += len(entry.tickets)
            first = entry.tickets[0].line
            if first < line or not line:
                line = first
            taken.append(entry)
        self.entries -= len(taken)
        self.records -= records
        self.bytes -= size
        return Cut(taken, line, records)

    def free(self, entries: Iterable[Entry]) -> None:
        """Take note that these are answered: what waited for their custom IDs can leave."""
        newest = self._newest
        for entry in entries:
            if entry.then is None:
                del newest[entry.custom_id]
            else:
                self.ready.append(self._behind.pop(entry.custom_id))

    def oldest_line(self) -> int | None:
        """The input line of the oldest record that waits."""
        first = [*self.ready, *self._behind.values()]
        return min([entry.tickets[0].line for entry in first], default=None)


def seal(entries: list[Entry]) -> list[Entry]:
    """Encode what is not sealed yet, each entry into its `body`; nothing is merged into it after.

    Returns:
        Entries that have no UTF-8 form, and no body; a mapping that lets one through is to blame.
    """
    open_ones = [entry for entry in entries if not entry.body]
    try:
        lines = _encode_lines(
            [Body(Identifiers(entry.custom_id), entry.attributes, entry.events) for entry in open_ones]
        )
    except UnicodeEncodeError:
        if len(open_ones) == 1:
            return open_ones
        middle = len(open_ones) // 2
        return seal(open_ones[:middle]) + seal(open_ones[middle:])
    for entry, body in zip(open_ones, lines.splitlines(), strict=True):
        entry.body = body
    return []
