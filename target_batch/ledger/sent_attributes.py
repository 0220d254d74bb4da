"""What each profile last got from a stream, so that what did not change is not sent again.

Before a payload is sent, what is remembered of its profile becomes doubtful: of this stream, and of those
that write one of its attributes. It is known again once the payload is accepted and nobody else was at it.
A crash leaves the doubt, so nothing is skipped that Batch may lack.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, TypeAlias

import sqlalchemy as sa

from target_batch.common.operations import names_of
from target_batch.common.redaction import clean
from target_batch.ledger.database import scope_of
from target_batch.ledger.staging import batches, digest
from target_batch.ledger.tables import payloads
from target_batch.ledger.writers import Writers

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from target_batch.delivery.profile_buffer import Entry
    from target_batch.ledger.database import Ledger

EARLIEST: Final = 0.75
"""Share of the age limit after which the first entries expire: not all of them on one day."""

DOUBT_SECONDS: Final = 3600.0
"""How long what a run has sent may still be on its way: that run may be dead, and its answer never come."""

LONG_AGO: Final = 0.0
"""When something was accepted that is not remembered; doubt is the negative time of its beginning."""

Key: TypeAlias = tuple[int, str]
"""The number of a stream, and a custom ID."""


class PayloadMemory:
    """Remembers hashes per project, stream and custom ID, for at most `max_age` seconds."""

    def __init__(
        self,
        ledger: Ledger,
        project: str,
        max_age: float,
        now: Callable[[], float],
        tell: Callable[[str, str], None],
        run: str,
    ) -> None:
        self._ledger = ledger
        self._project = project
        self._max_age = max_age
        self._now = now
        self._tell = tell
        self._number = ledger.number_of(scope_of("payloads", project))
        self._token = digest(run.encode())
        self._scopes: dict[str, int] = {}
        self._writers = Writers(ledger, self._number, max_age, now)

    def unchanged(self, entries: Sequence[Entry]) -> set[int]:
        """Return the indexes of entries whose payload is the one last accepted; doubt the others."""
        alone = {index: entry for index, entry in enumerate(entries) if _is_alone(entry)}
        for stream, names in {(_stream(entry), names_of(entry.attributes)) for entry in alone.values()}:
            self._writers.note(self._scope(stream), stream, names)
        keys = {index: self._key(entry) for index, entry in alone.items()}
        with self._ledger.begin() as connection:
            self._writers.look(connection)
            known = self._known(connection, keys.values())
        hashes = {index: known.get(key) for index, key in keys.items()}
        same = {index for index, hash_ in hashes.items() if hash_ == digest(entries[index].body)}
        self._doubt(entry for index, entry in enumerate(entries) if index not in same)
        return same

    def _doubt(self, sent: Iterable[Entry]) -> None:
        """Note before the call that its profiles may hold anything of what it writes, and that it is ours.

        What another run has on its way to the same profile is nobody's from now on: neither of the two knows
        which one Batch takes in last, even if the other one dies and its answer never comes.
        """
        now = self._now()
        keys = {(scope, entry.custom_id) for entry in sent for scope in self._touched(entry)}

        def doubted(new: Any) -> dict[str, Any]:
            young = payloads.c.accepted < new["accepted"] + sa.literal_column(str(DOUBT_SECONDS))
            theirs = young & (payloads.c.hash != new["hash"])
            return {
                "hash": sa.case((theirs, self._ledger.literal(b"")), else_=new["hash"]),
                "accepted": sa.case((theirs, payloads.c.accepted), else_=new["accepted"]),
            }

        with self._ledger.begin() as connection:
            rows = [(*key, self._token, -now) for key in sorted(keys)]
            self._ledger.upsert(connection, payloads, rows, doubted)
            self._give_up(connection, keys, DOUBT_SECONDS - now)

    def _give_up(self, connection: sa.Connection, keys: set[Key], young: float) -> None:
        """Where another run is at one stream's memory of a profile, let none of them be ours."""
        scopes = {scope for scope, _ in keys}
        ids = sorted({custom_id for _, custom_id in keys}) if len(scopes) > 1 else []
        for part in batches(ids):
            here = payloads.c.scope.in_(scopes) & payloads.c.custom_id.in_(part)
            theirs = here & (payloads.c.hash != self._token) & (payloads.c.accepted < young)
            if crossed := list(connection.scalars(sa.select(payloads.c.custom_id).where(theirs))):
                ours = payloads.c.scope.in_(scopes) & (payloads.c.hash == self._token)
                nobodys = sa.update(payloads).where(ours, payloads.c.custom_id.in_(crossed))
                connection.execute(nobodys.values(hash=b""))

    def accepted(self, entries: Iterable[Entry]) -> None:
        """Remember the payloads of entries that Batch accepted as a whole, where nobody else was at it.

        What is more than one stream's is settled, but not remembered, and so is what a stream wrote whose
        names are not in the ledger any more: others could not know of it.
        """
        now = self._now()
        with self._ledger.begin() as connection:
            self._writers.look(connection)
        settled: dict[Key, tuple[bytes, float]] = {}
        for entry in entries:
            for scope in self._touched(entry):
                settled[scope, entry.custom_id] = self._token, LONG_AGO
            if _is_alone(entry) and self._writers.knows(self._key(entry)[0], names_of(entry.attributes)):
                settled[self._key(entry)] = digest(entry.body), now

        def ours(new: Any) -> dict[str, Any]:
            mine = (payloads.c.hash == self._ledger.literal(self._token)) & (
                payloads.c.accepted < sa.literal_column("0")
            )
            columns = ("hash", "accepted")
            return {name: sa.case((mine, new[name]), else_=payloads.c[name]) for name in columns}

        with self._ledger.begin() as connection:
            rows = [(*key, *settled[key]) for key in sorted(settled)]
            self._ledger.upsert(connection, payloads, rows, ours)

    def _known(self, connection: sa.Connection, keys: Iterable[Key]) -> dict[Key, bytes]:
        """Return the hashes of what was accepted, and has not expired."""
        ids: dict[int, list[str]] = {}
        for scope, custom_id in keys:
            ids.setdefault(scope, []).append(custom_id)
        known: dict[Key, bytes] = {}
        now = self._now()
        columns = (payloads.c.custom_id, payloads.c.hash, payloads.c.accepted)
        for scope, part in ((scope, part) for scope, some in ids.items() for part in batches(some)):
            chosen = (payloads.c.scope == scope) & payloads.c.custom_id.in_(part) & (payloads.c.accepted > 0)
            for custom_id, hash_, accepted in connection.execute(sa.select(*columns).where(chosen)):
                share = EARLIEST + (1 - EARLIEST) * hash_[0] / 255
                if 0 <= now - accepted < self._max_age * share:
                    known[scope, custom_id] = bytes(hash_)
        return known

    def _touched(self, entry: Entry) -> set[int]:
        """Return the streams whose memory is overwritten: its own, and those that share a name."""
        if not entry.attributes:
            return set()
        streams = {ticket.origin.stream for ticket in entry.tickets if ticket.origin.remembered}
        mine = {self._scope(stream) for stream in streams}
        return mine | self._others(entry, mine)

    def _others(self, entry: Entry, mine: set[int]) -> set[int]:
        """Return the other streams that write an attribute of this entry, and tell the user of them."""
        shared = self._writers.sharing(names_of(entry.attributes))
        if shared.keys() <= mine:
            return set()
        others = shared.keys() - mine
        for other in others:
            stream, name = clean(self._writers.streams[other], 60), clean(shared[other], 40)
            self._tell(
                _stream(entry),
                f"stream '{stream}' writes '{name}', too, so `skip_unchanged` sends a profile again where "
                "the other one of them wrote last.",
            )
        return others

    def _key(self, entry: Entry) -> Key:
        return self._scope(_stream(entry)), entry.custom_id

    def _scope(self, stream: str) -> int:
        """Return the number under which the ledger knows a stream of this project."""
        if stream not in self._scopes:
            self._scopes[stream] = self._ledger.number_of(scope_of("payloads", self._project, stream))
        return self._scopes[stream]


def _is_alone(entry: Entry) -> bool:
    """Whether the entry is nothing but attributes of one remembered stream."""
    tickets = entry.tickets
    first = tickets[0].origin
    return (
        first.remembered
        and not entry.events
        and bool(entry.attributes)
        and (len(tickets) == 1 or all(ticket.origin.stream == first.stream for ticket in tickets))
    )


def _stream(entry: Entry) -> str:
    return entry.tickets[0].origin.stream
