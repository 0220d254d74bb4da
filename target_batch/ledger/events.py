"""Memory of the last day's events, so that none is sent to Batch twice."""

from __future__ import annotations

from enum import Enum
from hashlib import blake2b
from typing import TYPE_CHECKING, Final

import sqlalchemy as sa

from target_batch.common.limits import EVENT_AGE_SECONDS
from target_batch.ledger.database import batches
from target_batch.ledger.tables import events

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from target_batch.ledger.database import Ledger

HOUR: Final = 3600
MARGIN_HOURS: Final = 6
KEPT_HOURS: Final = EVENT_AGE_SECONDS // HOUR + MARGIN_HOURS
"""Batch accepts no event older than a day; the margin allows for clocks, retries and queues."""


class Standing(Enum):
    """The state of an event before it is sent."""

    NEW = "new"
    ACCEPTED = "accepted"
    IN_DOUBT = "in doubt"


class EventMemory:
    """The identities of one project's events, kept for `KEPT_HOURS`; connections come from `Ledger.turn`."""

    def __init__(self, ledger: Ledger, project: str, now: Callable[[], float]) -> None:
        self._ledger = ledger
        self._project = project.encode()
        self._now = now
        self._pruned = 0

    def claim(self, connection: sa.Connection, identities: Sequence[bytes]) -> list[Standing]:
        """Return the standing of each event, and record the new ones as sent but not accepted.

        Of identical events only the first one counts; the others are treated as accepted.
        """
        hour = self._prune(connection)
        numbers = list(map(self._numbers, identities))
        found = {
            key: (rest, accepted)
            for key, rest, _, accepted in self._ledger.rows(
                connection, events, sorted({n[0] for n in numbers})
            )
        }
        standings: list[Standing] = []
        fresh: dict[int, int] = {}
        for key, rest in numbers:
            known = found.get(key)
            if fresh.get(key) == rest:
                standings.append(Standing.ACCEPTED)
            elif known is not None and known[0] == rest:
                standings.append(Standing.ACCEPTED if known[1] else Standing.IN_DOUBT)
                found[key] = rest, True
            else:
                standings.append(Standing.NEW)
                if known is None:
                    fresh.setdefault(key, rest)
        self._write(connection, fresh.items(), hour, accepted=False)
        return standings

    def accepted(self, connection: sa.Connection, identities: Iterable[bytes]) -> None:
        """Note that Batch has accepted some events."""
        self._write(connection, map(self._numbers, identities), self._hour, accepted=True)

    def withdraw(self, connection: sa.Connection, identities: Iterable[bytes]) -> None:
        """Note that some events, which were new when claimed, have certainly not reached Batch."""
        for some in batches([key for key, _ in map(self._numbers, identities)]):
            connection.execute(sa.delete(events).where(events.c.key.in_(some), ~events.c.accepted))

    def _write(
        self, connection: sa.Connection, numbers: Iterable[tuple[int, int]], hour: int, *, accepted: bool
    ) -> None:
        rows = [(key, rest, hour, accepted) for key, rest in sorted(numbers)]
        self._ledger.upsert(connection, events, rows)

    @property
    def _hour(self) -> int:
        return int(self._now() // HOUR)

    def _prune(self, connection: sa.Connection) -> int:
        """Forget, once an hour, events too old for Batch to accept; return the current hour."""
        hour = self._hour
        if hour != self._pruned:
            self._pruned = hour
            connection.execute(sa.delete(events).where(events.c.hour < hour - KEPT_HOURS))
        return hour

    def _numbers(self, identity: bytes) -> tuple[int, int]:
        """Return an event's hash as two numbers: a row's key, and one to tell events of that key apart."""
        digest = blake2b(self._project + identity, digest_size=16).digest()
        return int.from_bytes(digest[:8], "big", signed=True), int.from_bytes(digest[8:], "big", signed=True)
