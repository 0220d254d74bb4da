"""Members on their way to their audiences: gathered per audience, the last word on each one wins."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from itertools import repeat, takewhile
from typing import TYPE_CHECKING, Any, Final

import msgspec

from target_batch.common.limits import AUDIENCE_ENTRIES, BODY_BYTES
from target_batch.common.records import Ticket

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from target_batch.common.operations import AudienceChange
    from target_batch.common.records import Origin

MOST_WAITING: Final = 100_000
"""Records that wait across all audiences before the fullest one is sent early."""

WAITING_BYTES: Final = 32_000_000
"""Bytes of the records that wait across all audiences, at most."""

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


@dataclass(slots=True, eq=False)
class AudienceRequest:
    """The members of one request, the line of the oldest record among them, and what is open of it.

    It goes to every sender: `open_answers` counts those that have not answered, `open_indexes` those whose
    index has not taken it in.
    """

    members: list[Member]
    bodies: list[bytes]
    line: int
    open_answers: int = 0
    open_indexes: int = 0
    _origins: Counter[tuple[Origin, ...]] = field(default_factory=Counter)

    def answered(self) -> None:
        """Take note of an answer; after the last one nothing but numbers is kept, however slow the index."""
        self.open_answers -= 1
        if not self.open_answers:
            accepted = (member.tickets for member in self.members if member.tickets)
            self._origins.update(tuple(ticket.origin for ticket in tickets) for tickets in accepted)
            self.members, self.bodies = [], []

    def delivered(self) -> Iterator[list[Ticket]]:
        """Yield, for each member that was accepted, tickets that stand for those it came with."""
        for origins, members in self._origins.items():
            yield from repeat([Ticket(origin, self.line, b"") for origin in origins], members)


@dataclass(slots=True)
class Gathered:
    """What waits for one audience, and since when."""

    line: int
    since: float
    members: dict[str, Member] = field(default_factory=dict)
    records: int = 0
    size: int = 0


class PendingChanges:
    """What waits for every audience, bounded in records and in bytes; the audiences oldest first."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._audiences: dict[str, Gathered] = {}
        self.records = 0
        self._bytes = 0

    def put(self, change: AudienceChange, ticket: Ticket) -> str | None:
        """Take a change in; return the audience that should leave now.

        That is a matter of members: what bounds a call in bytes are their bodies, not whole records.
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
        """Return the audience that most records wait for."""
        return max(self._audiences, key=lambda name: self._audiences[name].records)

    def older_than(self, moment: float) -> list[str]:
        """Return the audiences for which something has waited since before a moment."""
        waited = takewhile(lambda found: found[1].since <= moment, self._audiences.items())
        return [name for name, _ in waited]

    def take(self, name: str) -> Iterator[AudienceRequest]:
        """Take out what waits for an audience, in requests of at most 10,000 members and about 5 MB."""
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
        """Return the audiences that changes wait for."""
        return list(self._audiences)

    def oldest_line(self) -> int | None:
        """The input line of the oldest record that waits."""
        return min((gathered.line for gathered in self._audiences.values()), default=None)
