"""Which attributes each remembered stream writes, so that streams that share one know of each other.

Where two streams write one attribute the later row has to win, even if it is what that stream sent last time:
a stream's memory of a profile ends when another one that shares an attribute with it sends that profile.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import sqlalchemy as sa

from target_batch.tables import writers

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from target_batch.ledger import Ledger

LIFETIMES: Final = 2
"""Ages of a payload for which a name is kept after the run that wrote it last: a run takes time, too."""


class Writers:
    """The streams of one project, by their number in the ledger, and the attributes they write."""

    def __init__(self, ledger: Ledger, project: int, max_age: float, now: Callable[[], float]) -> None:
        self._ledger = ledger
        self._project = project
        self._max_age = LIFETIMES * max_age
        self._now = now
        self._noted: dict[int, set[str]] = {}
        self._known: dict[int, set[str]] = {}
        self._shared: dict[frozenset[str], dict[int, str]] = {}
        self.streams: dict[int, str] = {}

    def note(self, writer: int, stream: str, names: Iterable[str]) -> None:
        """Write down what a stream writes, before anything of it is remembered; once a run."""
        noted = self._noted.setdefault(writer, set())
        if new := sorted(set(names) - noted):
            noted.update(new)
            now = self._now()
            rows = [(self._project, name, writer, stream, now) for name in new]
            with self._ledger.begin() as connection:
                connection.execute(sa.delete(writers).where(writers.c.seen < now - self._max_age))
                self._ledger.upsert(connection, writers, rows)

    def look(self, connection: sa.Connection) -> None:
        """See what other runs have noted."""
        fresh = writers.c.seen >= self._now() - self._max_age
        query = sa.select(writers.c.writer, writers.c.attribute, writers.c.stream)
        self._known, self._shared = {}, {}
        for writer, name, stream in connection.execute(
            query.where(writers.c.project == self._project, fresh)
        ):
            self._known.setdefault(writer, set()).add(name)
            self.streams[writer] = stream

    def sharing(self, names: frozenset[str]) -> dict[int, str]:
        """Return the streams that write one of these attributes, and which one."""
        if names not in self._shared:
            both = ((writer, names & theirs) for writer, theirs in self._known.items())
            self._shared[names] = {writer: min(shared) for writer, shared in both if shared}
        return self._shared[names]
