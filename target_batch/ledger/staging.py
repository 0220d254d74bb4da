"""The rows of a mirror's stream, kept in the ledger until the stream is known to be complete."""

from __future__ import annotations

from hashlib import blake2b
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import sqlalchemy as sa

from target_batch.ledger.tables import arrivals, staged, stagings

if TYPE_CHECKING:
    from collections.abc import Sequence

    from target_batch.ledger.database import Ledger

ROWS: Final = 10_000
"""Maximum rows held in memory before they are written."""

WAITING_BYTES: Final = 4_000_000
"""Maximum bytes of the records held in memory."""

ARRIVED: Final[sa.ColumnElement[bool]] = (arrivals.c.staging == staged.c.staging) & (
    arrivals.c.number == staged.c.number
)
"""Condition that joins a member with its last row."""


def digest(body: bytes) -> bytes:
    """Return the hash by which payloads are compared."""
    return blake2b(body, digest_size=16).digest()


class Row(NamedTuple):
    """One row about a member; without `body`, the member does not belong in the audience."""

    name: str
    member: str
    body: bytes | None
    line: int
    source: bytes


class LastWord(NamedTuple):
    """A member's last record, the number of its records, and whether Batch has refused the member."""

    line: int
    source: bytes
    records: int
    refused: bool


class Count(NamedTuple):
    """A number of members, and of the records they came from."""

    members: int
    records: int


class Staging:
    """The rows of one run's mirror stream; the last row of each member counts.

    Rows are appended as they arrive and sorted once, by the database. Inserted into a sorted table in order
    of arrival, each would touch a different page, which gets slower as the table grows.
    """

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._rows: list[tuple[Any, ...]] = []
        self._bytes = 0
        self.records = 0
        with ledger.turn() as connection:
            _forget_the_dead(connection, ledger)
            key: Any = connection.execute(sa.insert(stagings).values(run=ledger.run)).inserted_primary_key
            self.id: int = key.id

    def put(self, row: Row) -> None:
        """Add a row."""
        name, member, body, line, source = row
        hash_ = None if body is None else digest(body)
        self._rows.append((self.id, self.records, name, member, hash_, body, line, source))
        self.records += 1
        self._bytes += len(source) + len(body or b"")
        if len(self._rows) >= ROWS or self._bytes >= WAITING_BYTES:
            self.flush()

    def flush(self) -> None:
        """Write the rows held in memory."""
        rows, self._rows, self._bytes = self._rows, [], 0
        with self._ledger.begin() as connection:
            self._ledger.append(connection, arrivals, rows)

    def sort(self) -> bool:
        """Find the last row of each member; return whether the ledger holds every row that was added."""
        self.flush()
        with self._ledger.begin() as connection:
            columns = [column.name for column in staged.c]
            connection.execute(self._ledger.insert(staged).from_select(columns, self._last_words()))
        self._ledger.take_stock(arrivals, staged)
        return self.records == self.count().records

    def _last_words(self) -> sa.Select[Any]:
        member = [arrivals.c.staging, arrivals.c.name, arrivals.c.member]
        latest_first = sa.func.row_number().over(partition_by=member, order_by=arrivals.c.number.desc())
        records = sa.func.count().over(partition_by=member)
        columns: list[Any] = [*member, arrivals.c.hash, arrivals.c.number, records.label("records")]
        mine = arrivals.c.staging == self.id
        every = sa.select(*columns, latest_first.label("rank")).where(mine).subquery()
        kept = [column for column in every.c if column.name != "rank"]
        return sa.select(*kept, sa.false()).where(every.c.rank == 1).order_by(every.c.name, every.c.member)

    def names(self) -> list[str]:
        """Return the names of the audiences that have rows."""
        query = sa.select(staged.c.name).where(self._mine).distinct().order_by(staged.c.name)
        with self._ledger.begin() as connection:
            return list(connection.scalars(query))

    def refuse(self, name: str, members: Sequence[str]) -> None:
        """Note which members of an audience Batch has refused."""
        with self._ledger.begin() as connection:
            for some in batches(members):
                chosen = self.of(name) & staged.c.member.in_(some)
                connection.execute(sa.update(staged).where(chosen).values(refused=True))

    def count(self, *conditions: sa.ColumnElement[bool]) -> Count:
        """Count the members that meet all conditions."""
        columns = (sa.func.count(), sa.func.coalesce(sa.func.sum(staged.c.records), 0))
        with self._ledger.begin() as connection:
            members, records = connection.execute(sa.select(*columns).where(self._mine, *conditions)).one()
        return Count(members, int(records))

    def refused(self) -> Count:
        """Count the members that Batch has refused."""
        return self.count(staged.c.refused)

    def last_word(self, name: str, member: str) -> LastWord | None:
        """Return the last record of a member, or None if there is none."""
        columns = arrivals.c.line, arrivals.c.source, staged.c.records, staged.c.refused
        query = sa.select(*columns).join_from(staged, arrivals, ARRIVED)
        query = query.where(self.of(name), staged.c.member == member)
        with self._ledger.begin() as connection:
            found = connection.execute(query).one_or_none()
        return None if found is None else LastWord(*found)

    def drop(self) -> None:
        """Forget the rows."""
        with self._ledger.begin() as connection:
            _drop(connection, [self.id])

    def of(self, name: str) -> sa.ColumnElement[bool]:
        """Select the rows of one audience."""
        rows: sa.ColumnElement[bool] = self._mine & (staged.c.name == name)
        return rows

    def wanted(self, name: str) -> sa.ColumnElement[bool]:
        """Select the members that belong in one audience."""
        return self.of(name) & staged.c.hash.is_not(None)

    def unwanted(self, name: str) -> sa.ColumnElement[bool]:
        """Select the members that the stream excludes from one audience."""
        return self.of(name) & staged.c.hash.is_(None)

    @property
    def _mine(self) -> sa.ColumnElement[bool]:
        mine: sa.ColumnElement[bool] = staged.c.staging == self.id
        return mine


def _forget_the_dead(connection: sa.Connection, ledger: Ledger) -> None:
    """Drop the rows of killed runs."""
    others = connection.scalars(sa.select(stagings.c.run).where(stagings.c.run != ledger.run).distinct())
    dead = [run for run in others.all() if not ledger.locks.is_alive(run, connection)]
    _drop(connection, list(connection.scalars(sa.select(stagings.c.id).where(stagings.c.run.in_(dead)))))


def _drop(connection: sa.Connection, ids: list[int]) -> None:
    for staging in (staged.c.staging, arrivals.c.staging, stagings.c.id):
        connection.execute(sa.delete(staging.table).where(staging.in_(ids)))


def batches(rows: Sequence[Any], most: int = 2000) -> list[Sequence[Any]]:
    """Split rows into batches for one statement each."""
    return [rows[start : start + most] for start in range(0, len(rows), most)]
