"""The rows of a mirror's stream, in the ledger until the stream has proved complete."""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import blake2b
from typing import TYPE_CHECKING, Any, Final

import sqlalchemy as sa

from target_batch.tables import runs, staged, stagings

if TYPE_CHECKING:
    from collections.abc import Sequence

    from target_batch.ledger import Ledger
    from target_batch.presence import Presence

ROWS: Final = 10_000
"""Rows that wait in memory before they are written."""

WAITING_BYTES: Final = 4_000_000
"""Bytes of the records that wait in memory, at most."""

OPEN, SENT, REFUSED = 0, 1, 2


def digest(body: bytes) -> bytes:
    """Return the hash by which two payloads are told apart."""
    return blake2b(body, digest_size=16).digest()


@dataclass(frozen=True, slots=True)
class Row:
    """One member in the stream's latest word on it; without `body` it is out of the audience."""

    name: str
    member: str
    body: bytes | None
    line: int
    source: bytes


class Staging:
    """The rows of one run's mirror stream; the last row on a member wins."""

    def __init__(self, ledger: Ledger, run: str, presence: Presence) -> None:
        self._ledger = ledger
        self._rows: dict[tuple[str, str], tuple[Row, int]] = {}
        self._bytes = 0
        self.records = 0
        with ledger.begin() as connection:
            _forget_the_dead(connection, presence)
            made = connection.execute(ledger.insert(stagings).values(run=run).returning(stagings.c.id))
            self.id = made.scalar_one()

    def put(self, row: Row) -> None:
        """Take a row in."""
        key = row.name, row.member
        earlier = self._rows.get(key)
        self._rows[key] = row, earlier[1] + 1 if earlier else 1
        self.records += 1
        self._bytes += len(row.source) + len(row.body or b"")
        if len(self._rows) >= ROWS or self._bytes >= WAITING_BYTES:
            self.flush()

    def flush(self) -> None:
        """Write the rows that wait, in the order of their key: it is where they lie in the table."""
        rows = [self._stored(*found) for _, found in sorted(self._rows.items())]
        self._rows, self._bytes = {}, 0
        with self._ledger.begin() as connection:
            self._ledger.upsert(connection, staged, rows, _last_word)

    def _stored(self, row: Row, records: int) -> tuple[Any, ...]:
        body = row.body
        hash_ = None if body is None else digest(body)
        return self.id, row.name, row.member, hash_, body, row.line, row.source, records, OPEN

    def is_whole(self) -> bool:
        """Whether the ledger holds every row that was put in."""
        self.flush()
        self._ledger.take_stock(staged)
        return self.records == sum(records for _, records in self.counts().values())

    def names(self) -> list[str]:
        """Return the audiences that rows have come for."""
        query = sa.select(staged.c.name).where(self._mine).distinct().order_by(staged.c.name)
        with self._ledger.begin() as connection:
            return list(connection.scalars(query))

    def mark(self, name: str, members: Sequence[str], fate: int) -> None:
        """Note what became of members of an audience; a refusal stays one."""
        with self._ledger.begin() as connection:
            for some in batches(members):
                chosen = self.of(name) & staged.c.member.in_(some) & (staged.c.fate < fate)
                connection.execute(sa.update(staged).where(chosen).values(fate=fate))

    def counts(self) -> dict[int, tuple[int, int]]:
        """Return, by fate, how many members there are and how many records they came from."""
        columns = (staged.c.fate, sa.func.count(), sa.func.sum(staged.c.records))
        query = sa.select(*columns).where(self._mine).group_by(staged.c.fate)
        with self._ledger.begin() as connection:
            return {fate: (number, int(records)) for fate, number, records in connection.execute(query)}

    def source(self, name: str, member: str) -> tuple[int, bytes, int] | None:
        """Return the line and the bytes of a member's last record, and how many there were."""
        columns = staged.c.line, staged.c.source, staged.c.records
        query = sa.select(*columns).where(self.of(name), staged.c.member == member)
        with self._ledger.begin() as connection:
            found = connection.execute(query).one_or_none()
        return None if found is None else (found.line, found.source, found.records)

    def drop(self) -> None:
        """Forget the rows."""
        with self._ledger.begin() as connection:
            _drop(connection, [self.id])

    def of(self, name: str) -> sa.ColumnElement[bool]:
        """Choose the rows of one audience."""
        rows: sa.ColumnElement[bool] = self._mine & (staged.c.name == name)
        return rows

    def wanted(self, name: str) -> sa.ColumnElement[bool]:
        """Choose the members that belong in one audience, and that Batch has not refused."""
        return self.of(name) & staged.c.body.is_not(None) & (staged.c.fate != REFUSED)

    @property
    def _mine(self) -> sa.ColumnElement[bool]:
        mine: sa.ColumnElement[bool] = staged.c.staging == self.id
        return mine


def _last_word(new: Any) -> dict[str, Any]:
    """The later row on a member wins, and stands for the records of both."""
    values = {name: new[name] for name in ("hash", "body", "line", "source", "fate")}
    return values | {"records": staged.c.records + new["records"]}


def _forget_the_dead(connection: sa.Connection, presence: Presence) -> None:
    """Drop what killed runs have left."""
    for run in presence.dead(connection):
        of_run = stagings.c.run == run
        _drop(connection, list(connection.scalars(sa.select(stagings.c.id).where(of_run))))
        connection.execute(sa.delete(runs).where(runs.c.run == run))


def _drop(connection: sa.Connection, ids: list[int]) -> None:
    connection.execute(sa.delete(staged).where(staged.c.staging.in_(ids)))
    connection.execute(sa.delete(stagings).where(stagings.c.id.in_(ids)))


def batches(rows: Sequence[Any], most: int = 2000) -> list[Sequence[Any]]:
    """Cut rows into what one statement takes."""
    return [rows[start : start + most] for start in range(0, len(rows), most)]
