"""Profile updates that wait to be sent, merged per custom ID and kept in order per custom ID.

Batch counts custom IDs, so the updates that wait for the same ID are sent as one entry. While an ID is in
flight, it is busy: later updates for it are collected here until the answer arrives. That alone keeps the
order, regardless of concurrency and retries.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import deque
from dataclasses import dataclass, field
from decimal import Decimal
from itertools import accumulate, islice
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import msgspec

from target_batch.common.limits import ARRAYS_PER_PROFILE, ATTRIBUTES_PER_ENTRY, EVENTS_PER_ENTRY
from target_batch.common.operations import names_of, spellings_within

if TYPE_CHECKING:
    from collections.abc import Sequence

    from target_batch.common.operations import ProfileUpdate, Ticket
    from target_batch.ledger.accepted import Claim

_encoder: Final = msgspec.json.Encoder(decimal_format="number")
_encode, _encode_lines = _encoder.encode, _encoder.encode_lines

NOTHING: Final[dict[str, Any]] = {}
"""The attributes of a sealed entry; attributes are never changed in place."""

NO_ATTRIBUTES: Final = b',"attributes":{}}'


class Identifiers(msgspec.Struct, gc=False):
    """The identifiers of an entry, as Batch expects them."""

    custom_id: str


class Profile(msgspec.Struct, gc=False):
    """An entry without events, as Batch expects it."""

    identifiers: Identifiers
    attributes: dict[str, Any] = {}


class Body(Profile, gc=False, omit_defaults=True):
    """An entry, as Batch expects it."""

    events: list[dict[str, Any]] = []


_decode: Final = msgspec.json.Decoder(Profile, float_hook=Decimal).decode


class Entry(msgspec.Struct, gc=False):
    """The update of one custom ID in one request, and the tickets of the records it came from.

    Entries never form reference cycles, so the garbage collector does not have to track them.
    """

    custom_id: str
    attributes: dict[str, Any]
    events: list[dict[str, Any]]
    tickets: list[Ticket]
    size: int
    """Size in bytes of the records the entry came from."""
    named: Sequence[str] = ()
    """The event name of each ticket, in order ("" for a ticket without an event); empty without events."""
    identities: Sequence[bytes] = ()
    """The keys of the events in the ledger, in order."""
    body: bytes = b""
    """The entry as Batch expects it, once it is sealed; its attributes are then stored only here."""

    def seal(self) -> None:
        """Encode the attributes now, while they are in the processor's cache, not a thousand records later.

        Until then they would also take twice the memory. Text that cannot be encoded as UTF-8 stays as it
        is: the function `seal` reports it when the request is made.
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
        """Return the encoded entry without its events; None if it contains nothing else."""
        return _encode(Body(Identifiers(self.custom_id), self.attributes)) if self.attributes else None

    def merge(self, update: ProfileUpdate, ticket: Ticket) -> bool:
        """Merge a later update: its attributes win, its events are appended; False if it does not fit."""
        if len(self.events) + len(update.events) > EVENTS_PER_ENTRY:
            return False
        if self.body:
            self.attributes, self.body = _decode(self.body).attributes, b""
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
        """Return the names inside each ticket's event, in order; an empty set for a ticket without one."""
        within = (spellings_within(event.get("attributes")) for event in self.events)
        return [next(within) if name else frozenset() for name in self.named]

    def leave_out(self, which: Sequence[bool]) -> list[Ticket]:
        """Remove the events whose flag in `which` is true; return their tickets."""
        if not any(which):
            return []
        whose = [place for place, name in enumerate(self.named) if name]
        self.events = [event for event, is_out in zip(self.events, which, strict=True) if not is_out]
        self.identities = [one for one, is_out in zip(self.identities, which, strict=True) if not is_out]
        return self._without({place for place, is_out in zip(whose, which, strict=True) if is_out})

    def leave_attributes_out(self) -> list[Ticket]:
        """Remove all attributes; return the tickets that have no event, as they have nothing left to send."""
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
    """One request before it is sent: its entries, and what the ledger removed from them.

    `unchanged` records have nothing left to send. `skipped` are events that may have reached Batch and must
    not be sent again. `claim` identifies in the ledger what is in flight. `fresh` holds the identities of
    events that were never sent before.
    """

    entries: list[Entry] = field(default_factory=list)
    unchanged: list[Ticket] = field(default_factory=list)
    skipped: list[Ticket] = field(default_factory=list)
    claim: Claim | None = None
    fresh: set[bytes] = field(default_factory=set)


class Taken(NamedTuple):
    """The entries of one request, the input line of their oldest record, and their records."""

    entries: list[Entry]
    line: int
    records: int


class ProfileBuffer:
    """Waiting entries; `bytes` is the size of the records in them.

    With `seals`, entries without events are encoded as they arrive. Without it, their attributes stay
    readable.
    """

    def __init__(self, *, seals: bool = True) -> None:
        self._seals = seals
        self.ready: dict[str, Entry] = {}
        """Custom ID → the entry that could be sent now, in the order in which they became ready."""
        self._busy: set[str] = set()
        """Custom IDs in flight."""
        self._behind: dict[str, deque[Entry]] = {}
        """Custom ID that is ready or in flight → the entries that have to be sent later, in order."""
        self.bytes = 0
        self.behind = 0
        """The number of entries that wait behind an older one of their custom ID."""

    @property
    def entries(self) -> int:
        """The number of waiting entries, ready or behind an older one of the same custom ID."""
        return len(self.ready) + self.behind

    def put(self, update: ProfileUpdate, ticket: Ticket) -> None:
        """Add an update, to the waiting entry of its custom ID or as a new entry."""
        custom_id = update.custom_id
        self.bytes += len(ticket.source)
        if custom_id in self.ready or custom_id in self._busy:
            self._put_behind(update, ticket)
        else:
            self.ready[custom_id] = self._entry(update, ticket)

    def _put_behind(self, update: ProfileUpdate, ticket: Ticket) -> None:
        """Merge an update into the last waiting entry of its custom ID, or let it wait behind that one."""
        custom_id = update.custom_id
        behind = self._behind.get(custom_id)
        last = behind[-1] if behind else self.ready.get(custom_id)
        if last is not None and last.merge(update, ticket):
            return
        entry = self._entry(update, ticket)
        self._behind.setdefault(custom_id, deque()).append(entry)
        self.behind += 1

    def _entry(self, update: ProfileUpdate, ticket: Ticket) -> Entry:
        entry = Entry(update.custom_id, update.attributes, update.events, [ticket], len(ticket.source))
        if update.events:
            entry.named = _names(update)
            entry.identities = _identities(update)
        elif self._seals:
            entry.seal()
        return entry

    def take(self, most_entries: int, most_bytes: int) -> Taken:
        """Take out the entries of one request, in order; their custom IDs are busy from now on.

        `most_bytes` limits the size of the records the entries came from. The first entry is always taken.
        """
        taken = [*islice(self.ready.values(), most_entries)]
        if not taken:
            return Taken([], 0, 0)
        sizes = [*accumulate([entry.size for entry in taken])]
        del taken[bisect_right(sizes, most_bytes) or 1 :]
        self._busy.update(islice(self.ready, len(taken)))
        if len(taken) == len(self.ready):
            self.ready = {}
        else:
            for entry in taken:
                del self.ready[entry.custom_id]
        records = sum([len(entry.tickets) for entry in taken])
        self.bytes -= sizes[len(taken) - 1]
        return Taken(taken, min([entry.tickets[0].line for entry in taken]), records)

    def free(self, entries: Sequence[Entry]) -> None:
        """Free the custom IDs of answered entries, so that the entries waiting for them can be sent."""
        freed = [entry.custom_id for entry in entries]
        self._busy.difference_update(freed)
        for custom_id in [one for one in freed if one in self._behind] if self._behind else ():
            behind = self._behind[custom_id]
            self.ready[custom_id] = behind.popleft()
            self.behind -= 1
            if not behind:
                del self._behind[custom_id]

    def oldest_line(self) -> int | None:
        """Return the input line of the oldest waiting record, if there is one."""
        first = [*self.ready.values(), *[behind[0] for behind in self._behind.values()]]
        return min([entry.tickets[0].line for entry in first], default=None)


def seal(entries: list[Entry]) -> list[Entry]:
    """Encode each entry that is not sealed yet into its `body`; nothing may be merged into it afterwards.

    Returns:
        Entries that cannot be encoded as UTF-8, and so have no body; the mapping should have rejected them.
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
