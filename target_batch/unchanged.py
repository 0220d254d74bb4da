"""What each profile last got from a stream, so that what did not change is not sent again.

The last accepted payload is forgotten before another one is sent and remembered once that is
accepted: after a crash nothing is skipped that Batch may not have.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import sqlalchemy as sa

from target_batch.operations import names_of
from target_batch.places import scope_of
from target_batch.staging import batches, digest
from target_batch.tables import payloads, scopes

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from target_batch.ledger import Ledger
    from target_batch.outbox import Entry

EARLIEST: Final = 0.75
"""Share of the age limit after which the first entries expire: not all of them on one day."""

LONG_AGO: Final[sa.ColumnClause[float]] = sa.literal_column("0")


class PayloadMemory:
    """Remembers hashes per project, stream and custom ID, for at most `max_age` seconds."""

    def __init__(self, ledger: Ledger, project: str, max_age: float, now: Callable[[], float]) -> None:
        self._ledger = ledger
        self._project = project
        self._max_age = max_age
        self._now = now
        self._scopes: dict[str, int] = {}
        self._names: dict[str, set[str]] = {}
        self._contested: set[str] = set()

    def unchanged(self, entries: Sequence[Entry]) -> set[int]:
        """Return the indexes of entries whose payload is the one last accepted; forget the others'."""
        for entry in entries:
            self._note_writers(entry)
        alone = {index: entry for index, entry in enumerate(entries) if self._is_alone(entry)}
        same: set[int] = set()
        for scope, some in self._by_scope(alone):
            known = self._known(scope, [alone[index].custom_id for index in some])
            same.update(i for i in some if known.get(alone[i].custom_id) == digest(alone[i].body))
        self._forget(entry for index, entry in enumerate(entries) if index not in same)
        return same

    def accepted(self, entries: Iterable[Entry]) -> None:
        """Remember the payloads of entries that Batch accepted as a whole.

        A row that is there came from another run in the meantime: which of the two payloads Batch got
        last is unknown, so it counts as expired.
        """
        now = self._now()
        rows = sorted(
            (self._scope(entry.tickets[0].origin.stream), entry.custom_id, digest(entry.body), now)
            for entry in entries
            if self._is_alone(entry)
        )
        with self._ledger.begin() as connection:
            self._ledger.upsert(connection, payloads, rows, lambda _: {"accepted": LONG_AGO})

    def _note_writers(self, entry: Entry) -> None:
        """Note which attributes a stream writes, and which ones several streams write."""
        names = set(names_of(entry.attributes))
        for stream in {ticket.origin.stream for ticket in entry.tickets}:
            mine = self._names.setdefault(stream, set())
            if not names <= mine:
                new = names - mine
                mine |= new
                for other, theirs in self._names.items():
                    if other != stream:
                        self._contested |= new & theirs

    def _is_alone(self, entry: Entry) -> bool:
        """Whether the entry is nothing but attributes of one remembered stream that no other writes.

        Where two streams write one attribute the later one has to win, even if it has nothing new.
        """
        tickets = entry.tickets
        first = tickets[0].origin
        return (
            first.remembered
            and not entry.events
            and bool(entry.attributes)
            and (len(tickets) == 1 or all(ticket.origin.stream == first.stream for ticket in tickets))
            and self._contested.isdisjoint(names_of(entry.attributes))
        )

    def _known(self, scope: int, ids: list[str]) -> dict[str, bytes]:
        known: dict[str, bytes] = {}
        now = self._now()
        with self._ledger.begin() as connection:
            for some in batches(ids):
                chosen = (payloads.c.scope == scope) & payloads.c.custom_id.in_(some)
                columns = (payloads.c.custom_id, payloads.c.hash, payloads.c.accepted)
                for custom_id, hash_, accepted in connection.execute(sa.select(*columns).where(chosen)):
                    share = EARLIEST + (1 - EARLIEST) * hash_[0] / 255
                    if 0 <= now - accepted < self._max_age * share:
                        known[custom_id] = bytes(hash_)
        return known

    def _forget(self, entries: Iterable[Entry]) -> None:
        gone: dict[int, list[str]] = {}
        for entry in entries:
            if not entry.attributes:
                continue
            for stream in {ticket.origin.stream for ticket in entry.tickets if ticket.origin.remembered}:
                gone.setdefault(self._scope(stream), []).append(entry.custom_id)
        if not gone:
            return
        with self._ledger.begin() as connection:
            for scope, ids in gone.items():
                for some in batches(ids):
                    chosen = (payloads.c.scope == scope) & payloads.c.custom_id.in_(some)
                    connection.execute(sa.delete(payloads).where(chosen))

    def _by_scope(self, entries: dict[int, Entry]) -> Iterator[tuple[int, list[int]]]:
        found: dict[int, list[int]] = {}
        for index, entry in entries.items():
            found.setdefault(self._scope(entry.tickets[0].origin.stream), []).append(index)
        yield from found.items()

    def _scope(self, stream: str) -> int:
        """Return the number under which the ledger knows a stream of this project."""
        if stream not in self._scopes:
            name = scope_of("payloads", self._project, stream)
            with self._ledger.begin() as connection:
                insert = self._ledger.insert(scopes).values(scope=name)
                connection.execute(insert.on_conflict_do_nothing(index_elements=["scope"]))
                found = connection.scalar(sa.select(scopes.c.id).where(scopes.c.scope == name))
            self._scopes[stream] = int(found or 0)
        return self._scopes[stream]
