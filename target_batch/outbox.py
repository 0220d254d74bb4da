"""Profile updates that wait to be sent: merged per custom ID, in arrival order per custom ID.

Batch counts custom IDs, so what waits for the same one goes in one entry. An ID that is in flight is
busy: what arrives for it meanwhile gathers here until the answer is there. That alone keeps the
order, whatever the concurrency and the retries.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any, Final

import msgspec

from target_batch.api.limits import ENTRY_ATTRIBUTES, ENTRY_EVENTS

if TYPE_CHECKING:
    from collections.abc import Iterable

    from target_batch.fates import Ticket
    from target_batch.operations import ProfileUpdate

_encode: Final = msgspec.json.Encoder(decimal_format="number").encode


class Entry:
    """What one custom ID gets in one request, and the tickets of the records it came from.

    `then` is what the same custom ID gets after it, and the first of such a row knows the `last`;
    an entry never refers to itself, so that it goes with its last user and not with the collector.
    """

    __slots__ = ("attributes", "body", "custom_id", "events", "last", "then", "tickets")

    def __init__(self, update: ProfileUpdate, ticket: Ticket) -> None:
        self.custom_id = update.custom_id
        self.attributes = update.attributes
        self.events = update.events
        self.tickets = [ticket]
        self.then: Entry | None = None
        self.last: Entry | None = None
        self.body = b""

    def merge(self, update: ProfileUpdate, ticket: Ticket) -> bool:
        """Take a later update in, attributes last-wins, events appended; False if it does not fit."""
        if len(self.events) + len(update.events) > ENTRY_EVENTS:
            return False
        if update.attributes and not self._merge_attributes(update.attributes, ticket):
            return False
        self.events += update.events
        self.tickets.append(ticket)
        return True

    def _merge_attributes(self, new: dict[str, Any], ticket: Ticket) -> bool:
        mine = self.attributes
        for name, value in new.items():
            if type(value) is dict and name in mine:
                return False
        if ticket.origin is not self.tickets[-1].origin and _bare(new) & _bare(mine) != (
            new.keys() & mine.keys()
        ):
            return False
        merged = mine | new
        if len(merged) > ENTRY_ATTRIBUTES and len(merged) > len(mine):
            return False
        self.attributes = merged
        return True

    def seal(self) -> bytes:
        """Encode the entry as Batch wants it; nothing is merged into it from now on."""
        entry: dict[str, Any] = {"identifiers": {"custom_id": self.custom_id}}
        if self.attributes:
            entry["attributes"] = self.attributes
        if self.events:
            entry["events"] = self.events
        self.body = _encode(entry)
        return self.body

    @property
    def repeatable(self) -> bool:
        """Whether sending it twice changes nothing: attributes do, events do not."""
        return not self.events


def _bare(names: Iterable[str]) -> set[str]:
    """Names without their type: `date(x)` and `x` are one attribute with two spellings."""
    return {name[name.index("(") + 1 : -1] if name[-1] == ")" else name for name in names}


class Outbox:
    """Waiting entries; counts are in entries and records, sizes in bytes of the records."""

    def __init__(self) -> None:
        self._heads: dict[str, Entry] = {}
        self._ready: deque[Entry] = deque()
        self._busy: set[str] = set()
        self.entries = self.records = 0
        self.bytes = 0

    @property
    def ready(self) -> int:
        """Entries that could leave now."""
        return len(self._ready)

    def put(self, update: ProfileUpdate, ticket: Ticket) -> None:
        """Take an update in: into an entry that waits for its custom ID, or as a new one."""
        custom_id = update.custom_id
        self.bytes += len(ticket.source)
        self.records += 1
        head = self._heads.get(custom_id)
        if head is None:
            self._heads[custom_id] = entry = Entry(update, ticket)
            self.entries += 1
            if custom_id not in self._busy:
                self._ready.append(entry)
        else:
            last = head.last or head
            if not last.merge(update, ticket):
                last.then = head.last = Entry(update, ticket)
                self.entries += 1

    def cut(self, most_entries: int, most_bytes: int) -> list[Entry]:
        """Take out what can leave in one request, oldest first; its custom IDs are busy from now."""
        taken: list[Entry] = []
        size = 2
        while self._ready and len(taken) < most_entries:
            entry = self._ready[0]
            size += len(entry.seal()) + 1
            if size > most_bytes and taken:
                break
            self._ready.popleft()
            self._advance(entry)
            taken.append(entry)
        return taken

    def _advance(self, entry: Entry) -> None:
        custom_id = entry.custom_id
        self._busy.add(custom_id)
        self.entries -= 1
        self.records -= len(entry.tickets)
        self.bytes -= sum(len(ticket.source) for ticket in entry.tickets)
        following = entry.then
        if following is None:
            del self._heads[custom_id]
        else:
            following.last = entry.last if entry.last is not following else None
            entry.then = entry.last = None
            self._heads[custom_id] = following

    def free(self, entries: Iterable[Entry]) -> None:
        """Take note that these are answered: what waited for their custom IDs can leave."""
        for entry in entries:
            custom_id = entry.custom_id
            self._busy.discard(custom_id)
            if (head := self._heads.get(custom_id)) is not None:
                self._ready.append(head)

    def oldest_line(self) -> int | None:
        """The input line of the oldest record that waits."""
        return min((head.tickets[0].line for head in self._heads.values()), default=None)
