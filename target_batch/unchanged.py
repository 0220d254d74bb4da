"""What each profile last got from a stream, so that what did not change is not sent again.

The last accepted payload is forgotten before another one is sent and remembered once that is
accepted: after a crash nothing is skipped that Batch may not have.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import sqlalchemy as sa

from target_batch.ledger import payloads
from target_batch.places import scope_of
from target_batch.staging import digest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from target_batch.ledger import Ledger
    from target_batch.outbox import Entry

ROWS: Final = 1000
EARLIEST: Final = 0.75
"""Share of the age limit after which the first entries expire: not all of them on one day."""


class PayloadMemory:
    """Remembers hashes per project, stream and custom ID, for at most `max_age` seconds."""

    def __init__(self, ledger: Ledger, project: str, max_age: float, now: Callable[[], float]) -> None:
        self._ledger = ledger
        self._project = project
        self._max_age = max_age
        self._now = now
        self._scopes: dict[str, str] = {}

    def unchanged(self, entries: Sequence[Entry]) -> set[int]:
        """Return the indexes of entries whose payload is the one last accepted; forget the others'."""
        alone = {index: entry for index, entry in enumerate(entries) if _is_alone(entry)}
        same: set[int] = set()
        with self._ledger.begin() as connection:
            for scope, some in self._by_scope(alone):
                known = self._known(connection, scope, [alone[index].custom_id for index in some])
                same.update(i for i in some if known.get(alone[i].custom_id) == digest(alone[i].body))
            changed = [entry for index, entry in enumerate(entries) if index not in same and entry.attributes]
            self._forget(connection, changed)
        return same

    def accepted(self, entries: Iterable[Entry]) -> None:
        """Remember the payloads of entries that Batch accepted as a whole."""
        now = self._now()
        rows: list[dict[str, Any]] = [
            {
                "scope": self._scope(entry.tickets[0].origin.stream),
                "custom_id": entry.custom_id,
                "hash": digest(entry.body),
                "accepted": now,
            }
            for entry in entries
            if _is_alone(entry)
        ]
        with self._ledger.begin() as connection:
            self._ledger.upsert(payloads, rows, connection)

    def _known(self, connection: sa.Connection, scope: str, ids: list[str]) -> dict[str, bytes]:
        known: dict[str, bytes] = {}
        now = self._now()
        for start in range(0, len(ids), ROWS):
            query = sa.select(payloads).where(
                payloads.c.scope == scope, payloads.c.custom_id.in_(ids[start : start + ROWS])
            )
            for row in connection.execute(query):
                share = EARLIEST + (1 - EARLIEST) * row.hash[0] / 255
                if now - row.accepted < self._max_age * share:
                    known[row.custom_id] = bytes(row.hash)
        return known

    def _forget(self, connection: sa.Connection, entries: Iterable[Entry]) -> None:
        gone: dict[str, list[str]] = {}
        for entry in entries:
            for stream in {ticket.origin.stream for ticket in entry.tickets if ticket.origin.remembered}:
                gone.setdefault(self._scope(stream), []).append(entry.custom_id)
        for scope, ids in gone.items():
            for start in range(0, len(ids), ROWS):
                chosen = payloads.c.custom_id.in_(ids[start : start + ROWS])
                connection.execute(sa.delete(payloads).where(payloads.c.scope == scope, chosen))

    def _by_scope(self, entries: dict[int, Entry]) -> Iterator[tuple[str, list[int]]]:
        found: dict[str, list[int]] = {}
        for index, entry in entries.items():
            found.setdefault(self._scope(entry.tickets[0].origin.stream), []).append(index)
        yield from found.items()

    def _scope(self, stream: str) -> str:
        if stream not in self._scopes:
            self._scopes[stream] = scope_of("payloads", self._project, stream)
        return self._scopes[stream]


def _is_alone(entry: Entry) -> bool:
    """Whether the entry is nothing but the attributes of one stream that is remembered."""
    first = entry.tickets[0].origin
    return (
        first.remembered
        and not entry.events
        and bool(entry.attributes)
        and all(ticket.origin.stream == first.stream for ticket in entry.tickets[1:])
    )
