"""What each profile last got from a stream, so that what did not change is not sent again.

The last accepted payload is forgotten before another one is sent, by this stream or by one that writes one of
its attributes, and remembered once that is accepted: a crash lets nothing be skipped that Batch may lack.
Where two runs send one profile at once and one of them dies, it takes that one's next run to put it right.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, TypeAlias

import sqlalchemy as sa

from target_batch.operations import names_of
from target_batch.places import scope_of
from target_batch.redaction import clean
from target_batch.staging import batches, digest
from target_batch.tables import payloads, scopes
from target_batch.writers import Writers

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from target_batch.ledger import Ledger
    from target_batch.outbox import Entry

EARLIEST: Final = 0.75
"""Share of the age limit after which the first entries expire: not all of them on one day."""

LONG_AGO: Final = 0.0
Key: TypeAlias = tuple[int, str]
"""The number of a stream, and a custom ID."""

EXPIRED: Final = b""
"""Stands for a hash that no payload has."""


class PayloadMemory:
    """Remembers hashes per project, stream and custom ID, for at most `max_age` seconds."""

    def __init__(
        self,
        ledger: Ledger,
        project: str,
        max_age: float,
        now: Callable[[], float],
        tell: Callable[[str, str], None],
    ) -> None:
        self._ledger = ledger
        self._project = project
        self._max_age = max_age
        self._now = now
        self._tell = tell
        self._number = ledger.number_of(scope_of("payloads", project))
        self._scopes: dict[str, int] = {}
        self._writers = Writers(ledger, self._number, max_age, now)

    def unchanged(self, entries: Sequence[Entry]) -> set[int]:
        """Return the indexes of entries whose payload is the one last accepted; forget the others'."""
        alone = {index: entry for index, entry in enumerate(entries) if _is_alone(entry)}
        for stream, names in {(_stream(entry), names_of(entry.attributes)) for entry in alone.values()}:
            self._writers.note(self._scope(stream), stream, names)
        keys = {index: self._key(entry) for index, entry in alone.items()}
        with self._ledger.begin() as connection:
            self._writers.look(connection)
            known = self._known(connection, keys.values())
        hashes = {index: known.get(key) for index, key in keys.items()}
        same = {index for index, hash_ in hashes.items() if hash_ == digest(entries[index].body)}
        absent = {index for index, hash_ in hashes.items() if hash_ is None}
        sent = {index: entry for index, entry in enumerate(entries) if index not in same}
        self._forget(self._stale(sent, absent))
        return same

    def accepted(self, entries: Iterable[Entry]) -> None:
        """Remember the payloads of entries that Batch accepted as a whole.

        A row that is there came from another run in the meantime: which of the two payloads Batch got
        last is unknown, so it counts as expired, and so do those of streams that share an attribute. So does
        one of which others could not know, for its stream's names were forgotten.
        """
        alone = {self._key(entry): entry for entry in entries if _is_alone(entry)}
        now = self._now()
        with self._ledger.begin() as connection:
            self._writers.look(connection)
            crossed = self._crossed(connection, alone)
            rows = [
                (*key, digest(alone[key].body), LONG_AGO if key in crossed else now) for key in sorted(alone)
            ]
            self._ledger.upsert(connection, payloads, rows, lambda _: {"accepted": sa.literal_column("0")})

    def _known(self, connection: sa.Connection, keys: Iterable[Key]) -> dict[Key, bytes]:
        """Return the hashes of what was accepted, expired ones without their value."""
        ids: dict[int, list[str]] = {}
        for scope, custom_id in keys:
            ids.setdefault(scope, []).append(custom_id)
        known: dict[Key, bytes] = {}
        now = self._now()
        columns = (payloads.c.custom_id, payloads.c.hash, payloads.c.accepted)
        for scope, chosen in _chosen(ids):
            for custom_id, hash_, accepted in connection.execute(sa.select(*columns).where(chosen)):
                share = EARLIEST + (1 - EARLIEST) * hash_[0] / 255
                fresh = 0 <= now - accepted < self._max_age * share
                known[scope, custom_id] = bytes(hash_) if fresh else EXPIRED
        return known

    def _stale(self, sent: Mapping[int, Entry], absent: set[int]) -> dict[int, list[str]]:
        """Return, by stream, the profiles whose last payload of that stream is overwritten from now on."""
        stale: dict[int, list[str]] = {}
        for index, entry in sent.items():
            if not entry.attributes:
                continue
            streams = {ticket.origin.stream for ticket in entry.tickets if ticket.origin.remembered}
            mine = {self._scope(stream) for stream in streams}
            others = self._others(entry, mine)
            for scope in others if index in absent else mine | others:
                stale.setdefault(scope, []).append(entry.custom_id)
        return stale

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

    def _forget(self, stale: Mapping[int, list[str]]) -> None:
        if stale:
            with self._ledger.begin() as connection:
                if len(stale) > 1:
                    self._queue(connection)
                for _, chosen in _chosen(stale):
                    connection.execute(sa.delete(payloads).where(chosen))

    def _crossed(self, connection: sa.Connection, entries: Mapping[Key, Entry]) -> set[Key]:
        """Return those that another run has sent from another stream meanwhile, and let theirs expire."""
        others: dict[int, dict[str, Key]] = {}
        for key, entry in entries.items():
            for other in self._writers.sharing(names_of(entry.attributes)).keys() - {key[0]}:
                others.setdefault(other, {})[entry.custom_id] = key
        if others:
            self._queue(connection)
        crossed = {
            key
            for key, entry in entries.items()
            if not self._writers.knows(key[0], names_of(entry.attributes))
        }
        for other, chosen in _chosen({other: list(keys) for other, keys in others.items()}):
            found = connection.scalars(sa.select(payloads.c.custom_id).where(chosen))
            crossed.update(others[other][custom_id] for custom_id in found)
            connection.execute(sa.update(payloads).where(chosen).values(accepted=LONG_AGO))
        return crossed

    def _queue(self, connection: sa.Connection) -> None:
        """Be the only run that changes several streams' memory: two could wait for each other."""
        connection.execute(sa.select(scopes).where(scopes.c.id == self._number).with_for_update())

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


def _chosen(ids: Mapping[int, list[str]]) -> Iterator[tuple[int, sa.ColumnElement[bool]]]:
    """Choose the rows of each stream, in what one statement takes, in the order of their keys."""
    for scope, some in sorted(ids.items()):
        for part in batches(sorted(some)):
            yield scope, (payloads.c.scope == scope) & payloads.c.custom_id.in_(part)
