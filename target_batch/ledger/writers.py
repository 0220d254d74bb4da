"""Which attributes each remembered stream writes, so that streams that share one know of each other.

Where two streams write one attribute the later row has to win, even if it is what that stream sent last time:
a stream's memory of a profile ends when another one that shares an attribute with it sends that profile.

That other one has to know of it. So nothing is remembered of a stream whose names are not here, and where one
had run out, or there were none beside what is remembered, what the stream sent before counts as overwritten.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import sqlalchemy as sa

from target_batch.ledger.tables import payloads, writers

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from target_batch.ledger.database import Ledger

LIFETIMES: Final = 2
"""Ages of a payload for which a name is kept; a run that takes longer than one renews it."""


class Writers:
    """The streams of one project, by their number in the ledger, and the attributes they write."""

    def __init__(self, ledger: Ledger, project: int, max_age: float, now: Callable[[], float]) -> None:
        self._ledger = ledger
        self._project = project
        self._max_age = max_age
        self._now = now
        self._begun = self._renewed = now()
        self._noted: dict[int, set[str]] = {}
        self._known: dict[int, set[str]] = {}
        self._shared: dict[frozenset[str], dict[int, str]] = {}
        self.streams: dict[int, str] = {}

    def note(self, writer: int, stream: str, names: Iterable[str]) -> None:
        """Write down what a stream writes, before anything of it is remembered; once a run."""
        noted = self._noted.setdefault(writer, set())
        now = self._now()
        if now - self._renewed > self._max_age:
            self._renew(now)
        if new := sorted(set(names) - noted):
            noted.update(new)
            rows = [(self._project, name, writer, stream, self._end(now)) for name in new]
            with self._ledger.begin() as connection:
                ends = sa.select(writers.c.attribute, writers.c.until).where(self._mine(writer))
                known = {row.attribute: row.until for row in connection.execute(ends)}
                if not known or any(known.get(name, now) < now for name in new):
                    before = (payloads.c.scope == writer) & (payloads.c.accepted < self._begun)
                    connection.execute(
                        sa.update(payloads).where(before, payloads.c.accepted > 0).values(accepted=0)
                    )
                self._ledger.upsert(connection, writers, rows)

    def _renew(self, now: float) -> None:
        """Keep the names that are still here; one that is gone may have been overwritten unseen."""
        self._renewed = now
        with self._ledger.begin() as connection:
            for writer, noted in self._noted.items():
                kept = sa.update(writers).where(self._mine(writer), writers.c.attribute.in_(sorted(noted)))
                connection.execute(kept.where(writers.c.until >= now).values(until=self._end(now)))

    def _end(self, now: float) -> float:
        return now + LIFETIMES * self._max_age

    def _mine(self, writer: int) -> sa.ColumnElement[bool]:
        return (writers.c.project == self._project) & (writers.c.writer == writer)

    def look(self, connection: sa.Connection) -> None:
        """See what other runs have noted."""
        fresh = writers.c.until >= self._now()
        query = sa.select(writers.c.writer, writers.c.attribute, writers.c.stream)
        self._known, self._shared = {}, {}
        for writer, name, stream in connection.execute(
            query.where(writers.c.project == self._project, fresh)
        ):
            self._known.setdefault(writer, set()).add(name)
            self.streams[writer] = stream

    def knows(self, writer: int, names: frozenset[str]) -> bool:
        """Whether others can see that a stream writes these attributes."""
        return names <= self._known.get(writer, set())

    def sharing(self, names: frozenset[str]) -> dict[int, str]:
        """Return the streams that write one of these attributes, and which one."""
        if names not in self._shared:
            both = ((writer, names & theirs) for writer, theirs in self._known.items())
            self._shared[names] = {writer: min(shared) for writer, shared in both if shared}
        return self._shared[names]
