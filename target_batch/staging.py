"""The stream of a mirror, row by row, in the ledger; and what it takes to make an audience like it."""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import blake2b
from typing import TYPE_CHECKING, Any, Final

import sqlalchemy as sa

from target_batch.ledger import audiences, here, is_alive, members, staged

if TYPE_CHECKING:
    from collections.abc import Iterator

    from target_batch.ledger import Ledger

ROWS: Final = 2000
"""Rows that wait in memory before they are written."""

ABANDONED_AFTER: Final = 120.0
"""Seconds without a sign of life after which a run on another machine counts as dead."""

DAY: Final = len("20260101")
"""A run's name begins with its day, so names sort by time."""

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


@dataclass(frozen=True, slots=True)
class Size:
    """What a mirror would do: members to add (or update), to remove, and to leave as they are."""

    adds: int
    removes: int
    same: int
    before: int

    def __str__(self) -> str:
        return f"+{self.adds} \N{MINUS SIGN}{self.removes} ={self.same}"


class Staging:
    """The rows of one run's mirror stream; the last row on a member wins."""

    def __init__(self, ledger: Ledger, run: str, stream: str) -> None:
        self._ledger = ledger
        self.key = f"{run}/{blake2b(stream.encode(), digest_size=8).hexdigest()}"
        self._rows: dict[tuple[str, str], dict[str, Any]] = {}
        self._forget_the_dead(run)

    def _forget_the_dead(self, run: str) -> None:
        """Drop rows that runs killed on earlier days left: a run's name begins with its day."""
        with self._ledger.begin() as connection:
            connection.execute(sa.delete(staged).where(staged.c.run < run[:DAY]))

    def put(self, row: Row) -> None:
        """Take a row in."""
        earlier = self._rows.pop((row.name, row.member), None)
        self._rows[row.name, row.member] = {
            "run": self.key,
            "name": row.name,
            "member": row.member,
            "hash": None if row.body is None else digest(row.body),
            "body": row.body,
            "line": row.line,
            "source": row.source,
            "records": 1 + (earlier["records"] if earlier else 0),
            "fate": OPEN,
        }
        if len(self._rows) >= ROWS:
            self.flush()

    def flush(self) -> None:
        """Write the rows that wait."""
        rows, self._rows = list(self._rows.values()), {}
        if not rows:
            return
        statement = self._ledger.insert(staged)
        new = statement.excluded
        values = {name: new[name] for name in ("hash", "body", "line", "source", "fate")}
        values["records"] = staged.c.records + new["records"]
        keys = [column.name for column in staged.primary_key]
        with self._ledger.begin() as connection:
            connection.execute(statement.on_conflict_do_update(index_elements=keys, set_=values), rows)

    def names(self) -> list[str]:
        """Return the audiences that rows have come for."""
        query = sa.select(staged.c.name).where(staged.c.run == self.key).distinct().order_by(staged.c.name)
        with self._ledger.begin() as connection:
            return list(connection.scalars(query))

    def mark(self, name: str, rows: list[str], fate: int) -> None:
        """Note what became of members of an audience."""
        with self._ledger.begin() as connection:
            for some in _chunks(rows):
                chosen = (staged.c.run == self.key) & (staged.c.name == name) & staged.c.member.in_(some)
                connection.execute(sa.update(staged).where(chosen, staged.c.fate < fate).values(fate=fate))

    def counts(self) -> dict[int, tuple[int, int]]:
        """Return, by fate, how many members there are and how many records they came from."""
        columns = (staged.c.fate, sa.func.count(), sa.func.sum(staged.c.records))
        query = sa.select(*columns).where(staged.c.run == self.key).group_by(staged.c.fate)
        with self._ledger.begin() as connection:
            return {fate: (number, int(records)) for fate, number, records in connection.execute(query)}

    def source(self, name: str, member: str) -> tuple[int, bytes, int]:
        """Return the line and the bytes of a member's last record, and how many there were."""
        query = sa.select(staged.c.line, staged.c.source, staged.c.records).where(
            staged.c.run == self.key, staged.c.name == name, staged.c.member == member
        )
        with self._ledger.begin() as connection:
            line, source, records = connection.execute(query).one()
        return line, source, records

    def drop(self) -> None:
        """Forget the rows."""
        with self._ledger.begin() as connection:
            connection.execute(sa.delete(staged).where(staged.c.run == self.key))


class Mirror:
    """One audience in one place, as the ledger knows it, beside the rows of a stream."""

    def __init__(self, ledger: Ledger, staging: Staging, scope: str, name: str, stream: str) -> None:
        self._ledger = ledger
        self._staging = staging
        self._key = {"scope": scope, "name": name}
        self._stream = stream
        mine = (members.c.scope == scope) & (members.c.name == name)
        new = (staged.c.run == staging.key) & (staged.c.name == name)
        pair = sa.and_(members.c.member == staged.c.member, mine)
        out = sa.or_(staged.c.body.is_(None), staged.c.member.is_(None))
        self._mine = mine
        self._to_add = (
            sa.select(staged.c.member, staged.c.body, staged.c.hash)
            .outerjoin(members, pair)
            .where(new, staged.c.body.is_not(None), staged.c.fate != REFUSED)
            .where(sa.or_(members.c.hash.is_(None), members.c.hash != staged.c.hash))
        )
        matched = sa.and_(staged.c.member == members.c.member, new)
        self._to_remove = sa.select(members.c.member).outerjoin(staged, matched).where(mine, out)
        self._staged = sa.select(sa.func.count()).select_from(staged).where(new, staged.c.body.is_not(None))

    def size(self) -> Size:
        """Count what would be done."""
        with self._ledger.begin() as connection:
            adds = self._count(self._to_add, connection)
            removes = self._count(self._to_remove, connection)
            total = connection.scalar(self._staged) or 0
            before = connection.scalar(sa.select(sa.func.count()).where(self._mine)) or 0
        return Size(adds, removes, total - adds, before)

    @staticmethod
    def _count(query: sa.Select[Any], connection: sa.Connection) -> int:
        return connection.scalar(sa.select(sa.func.count()).select_from(query.subquery())) or 0

    def is_known(self) -> bool:
        """Whether the ledger knows who may be in the audience."""
        with self._ledger.begin() as connection:
            return bool(connection.scalar(sa.select(audiences.c.known).filter_by(**self._key)))

    def held_by_another(self, run: str, now: float) -> bool:
        """Whether another run that seems alive is at this audience."""
        with self._ledger.begin() as connection:
            found = connection.execute(sa.select(audiences).filter_by(**self._key)).one_or_none()
        if found is None or found.run in {None, run}:
            return False
        alive = is_alive(found.host, found.pid)
        return now - found.touched < ABANDONED_AFTER if alive is None else alive

    def take(self, run: str, now: float, *, known: bool) -> None:
        """Note that this run changes the audience from now on: what it touches is unknown."""
        host, pid = here()
        row = {"stream": self._stream, "known": known, "run": run, "host": host, "pid": pid, "touched": now}
        with self._ledger.begin() as connection:
            self._ledger.upsert(audiences, [{**self._key, **row}], connection)
            leaving = self._to_remove.subquery()
            unknown = members.c.member.in_(sa.select(leaving.c.member))
            connection.execute(sa.update(members).where(self._mine, unknown).values(hash=None))
            joining = self._to_add.with_only_columns(
                sa.literal(self._key["scope"]), sa.literal(self._key["name"]), staged.c.member
            )
            insert = self._ledger.insert(members).from_select(["scope", "name", "member"], joining)
            keys = [column.name for column in members.primary_key]
            connection.execute(insert.on_conflict_do_update(index_elements=keys, set_={"hash": None}))

    def still_mine(self, run: str, now: float) -> bool:
        """Give a sign of life; false once another run has taken the audience over."""
        mine = sa.update(audiences).filter_by(**self._key).where(audiences.c.run == run)
        with self._ledger.begin() as connection:
            return bool(connection.execute(mine.values(touched=now)).rowcount)

    def release(self, run: str) -> None:
        """Note that this run is done with the audience."""
        with self._ledger.begin() as connection:
            mine = sa.update(audiences).filter_by(**self._key).where(audiences.c.run == run)
            connection.execute(mine.values(run=None))

    def next_adds(self, most: int) -> list[tuple[str, bytes, bytes]]:
        """Return members to add, with their bodies and hashes: those not known to be in yet."""
        with self._ledger.begin() as connection:
            query = self._to_add.order_by(staged.c.member).limit(most)
            return [(row.member, row.body, row.hash) for row in connection.execute(query)]

    def next_removes(self, most: int) -> list[str]:
        """Return members to remove: those that may be in and are not in the stream."""
        with self._ledger.begin() as connection:
            return list(connection.scalars(self._to_remove.order_by(members.c.member).limit(most)))

    def added(self, rows: list[tuple[str, bytes]]) -> None:
        """Note members that Batch accepted, with their hashes."""
        with self._ledger.begin() as connection:
            found = [{**self._key, "member": member, "hash": hash_} for member, hash_ in rows]
            self._ledger.upsert(members, found, connection)

    def removed(self, rows: list[str]) -> None:
        """Note members that are out for sure."""
        with self._ledger.begin() as connection:
            for some in _chunks(rows):
                connection.execute(sa.delete(members).where(self._mine, members.c.member.in_(some)))

    def replaced(self) -> None:
        """Note that a replace was accepted: nobody is in but members of the stream."""
        with self._ledger.begin() as connection:
            connection.execute(sa.update(audiences).filter_by(**self._key).values(known=True))


def fed_before(ledger: Ledger, scope: str, stream: str) -> set[str]:
    """Return the audiences that a stream has mirrored in a place."""
    with ledger.begin() as connection:
        query = sa.select(audiences.c.name).filter_by(scope=scope, stream=stream)
        return set(connection.scalars(query))


def _chunks(rows: list[str]) -> Iterator[list[str]]:
    for start in range(0, len(rows), ROWS):
        yield rows[start : start + ROWS]
