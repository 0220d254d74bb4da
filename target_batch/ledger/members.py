"""Mirrored audiences: the rows of a stream, and the members that each audience is known to have.

The rows are kept until the stream is known to be complete. To an audience, only the run that holds it writes,
and always twice: before a call, that the members it concerns are unknown; after the answer, the new state.
"""

from __future__ import annotations

from contextlib import contextmanager
from hashlib import blake2b
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeVar

import sqlalchemy as sa

from target_batch.common.errors import DeliveryError
from target_batch.common.limits import BODY_BYTES
from target_batch.common.redaction import clean
from target_batch.ledger.database import SILENT_SECONDS, execute_for
from target_batch.ledger.tables import arrivals, audiences, members, staged, stagings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from target_batch.ledger.database import Ledger

ROWS: Final = 10_000
"""Maximum rows held in memory before they are written."""

WAITING_BYTES: Final = 4_000_000
"""Maximum bytes of the records held in memory."""

ARRIVED: Final[sa.ColumnElement[bool]] = (arrivals.c.staging == staged.c.staging) & (
    arrivals.c.number == staged.c.number
)
"""Condition that joins a member with its last row."""


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
            self._id: int = key.id
        self._mine: sa.ColumnElement[bool] = staged.c.staging == self._id

    def put(self, row: Row) -> None:
        """Add a row."""
        name, member, body, line, source = row
        hash_ = None if body is None else blake2b(body, digest_size=16).digest()
        self._rows.append((self._id, self.records, name, member, hash_, body, line, source))
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
        mine = arrivals.c.staging == self._id
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
        refused = sa.update(staged).where(self.of(name)).values(refused=True)
        with self._ledger.begin() as connection:
            execute_for(connection, refused, staged.c.member, members)

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
            _drop(connection, [self._id])

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


def _forget_the_dead(connection: sa.Connection, ledger: Ledger) -> None:
    """Drop the rows of killed runs."""
    others = connection.scalars(sa.select(stagings.c.run).where(stagings.c.run != ledger.run).distinct())
    dead = [run for run in others.all() if not ledger.is_alive(run, connection)]
    _drop(connection, list(connection.scalars(sa.select(stagings.c.id).where(stagings.c.run.in_(dead)))))


def _drop(connection: sa.Connection, ids: list[int]) -> None:
    for staging in (staged.c.staging, arrivals.c.staging, stagings.c.id):
        connection.execute(sa.delete(staging.table).where(staging.in_(ids)))


class TakenOverError(DeliveryError):
    """Another run holds the audience now, so this run must not change it any more."""

    def __init__(self, name: str) -> None:
        super().__init__(
            f"Another run took over audience '{clean(name)}', so this run stops and the state is held. "
            "Let only one run at a time mirror an audience."
        )


class Size(NamedTuple):
    """The size of a mirror: members to add (or update), to remove, unchanged, and in the audience before."""

    adds: int
    removes: int
    same: int
    before: int

    def __str__(self) -> str:
        return f"+{self.adds} \N{MINUS SIGN}{self.removes} ={self.same}"

    @property
    def after(self) -> int:
        """Members that the stream puts in the audience."""
        return self.adds + self.same


class Add(NamedTuple):
    """A member to add, and its encoded form in a call."""

    member: str
    body: bytes


class Span(NamedTuple):
    """The members of one call: those after one ID, up to and including another or to the end."""

    after: str
    last: str | None = None

    def holds(self, member: sa.Column[Any]) -> sa.ColumnElement[bool]:
        """Select the members within the span."""
        inside: sa.ColumnElement[bool] = member > self.after
        return inside if self.last is None else inside & (member <= self.last)


Item = TypeVar("Item")

AROUND_A_MEMBER: Final = 100
"""Maximum bytes that a call adds to a member: its action, or the keys of an update with an attribute."""

EVERYBODY: Final = Span("")


class Snapshot:
    """The ledger's knowledge of an audience, and how it differs from the stream."""

    def __init__(self, ledger: Ledger, scope: str, name: str) -> None:
        self.name = name
        self.fed_by: str | None = None
        self._ledger = ledger
        self._run = ledger.run
        self._key = {"scope": scope, "name": name}

    def hold(self, stream: str) -> str | None:
        """Hold the audience for this run; return the reason if it cannot be held.

        Afterwards, `fed_by` is the stream that was mirrored to it until now.
        """
        row = {**self._key, "known": False}
        with self._ledger.turn() as connection:
            connection.execute(self._ledger.insert(audiences).values(row).on_conflict_do_nothing())
            locked = sa.select(audiences).filter_by(**self._key).with_for_update()
            found = connection.execute(locked).one()
            self._id, self.fed_by = found.id, found.stream
            self._mine: sa.ColumnElement[bool] = members.c.audience == self._id
            self._members = sa.select(members.c.member).where(self._mine)
            self._doubt = sa.update(members).where(self._mine).values(hash=None)
            self._delete = sa.delete(members).where(self._mine)
            if found.mirrored_by == self._run and found.stream != stream:
                return (
                    f"stream '{clean(found.stream)}' was mirrored to it in this run. "
                    "Give each stream audiences of its own"
                )
            other = found.held_by is not None and found.held_by != self._run
            if other and self._ledger.is_alive(found.held_by, connection):
                return (
                    "another run is mirroring it. Run again once that has ended; a run whose machine has "
                    f"gone keeps it for {SILENT_SECONDS} seconds"
                )
            self._set(connection, held_by=self._run)
        return None

    def release(self) -> None:
        """Let other runs hold the audience."""
        held = audiences.c.held_by == self._run
        with self._ledger.begin() as connection:
            connection.execute(sa.update(audiences).filter_by(**self._key).where(held).values(held_by=None))

    def is_known(self) -> bool:
        """Return whether the ledger knows all possible members of the audience."""
        with self._ledger.begin() as connection:
            return bool(connection.scalar(sa.select(audiences.c.known).where(audiences.c.id == self._id)))

    def size(self, staging: Staging) -> Size:
        """Count the changes that a mirror would make."""
        with self._ledger.begin() as connection:
            adds = _count(connection, self._adds(staging, EVERYBODY))
            removes = _count(connection, self._removes(staging, EVERYBODY))
            total = _count(connection, self._wanted(staging, EVERYBODY))
            before = _count(connection, self._members)
        return Size(adds, removes, total - adds, before)

    def has(self) -> sa.ColumnElement[bool]:
        """Select the staged members that are certainly in the audience, with the wanted content."""
        here = self._mine & (members.c.member == staged.c.member)
        return sa.exists().where(here, members.c.hash == staged.c.hash)

    def lacks(self) -> sa.ColumnElement[bool]:
        """Select the staged members that are certainly not in the audience."""
        return ~sa.exists().where(self._mine, members.c.member == staged.c.member)

    def counts(self) -> tuple[int, int]:
        """Count the members that are certainly in the audience, and all that may be, including those."""
        sure = self._members.where(members.c.hash.is_not(None))
        with self._ledger.begin() as connection:
            return _count(connection, sure), _count(connection, self._members)

    def next_adds(self, staging: Staging, after: str, most: int) -> list[Add]:
        """Return members to add after the ID `after`: those not known to be in the audience as wanted.

        Return at most `most`, and no more than fit into one call.
        """
        found = self._adds(staging, Span(after)).add_columns(arrivals.c.body).join(arrivals, ARRIVED)
        query = found.order_by(staged.c.member).limit(most)
        with self._ledger.begin() as connection:
            adds = (Add(member, bytes(body)) for member, body in connection.execute(query))
            return _in_one_call(adds, lambda add: len(add.body))

    def next_removes(self, staging: Staging, after: str, most: int) -> list[str]:
        """Return unwanted members after `after` that may be in the audience; limited like `next_adds`."""
        query = self._removes(staging, Span(after)).order_by(members.c.member).limit(most)
        with self._ledger.begin() as connection:
            return _in_one_call(connection.scalars(query), lambda member: len(member.encode()))

    def take_stock(self) -> None:
        """Update the database's statistics of the members."""
        self._ledger.take_stock(members)

    def begin(self, stream: str, *, known: bool, changes: bool) -> bool:
        """Note which stream is mirrored; unless `known`, the audience may contain any members.

        Return whether the index may lack changes after the mirror: because it `changes` the audience now, or
        because an earlier run ended before the index was complete.
        """
        with self._holding() as connection:
            query = sa.select(audiences.c.indexing).where(audiences.c.id == self._id)
            indexing = changes or bool(connection.scalar(query))
            self._set(connection, stream=stream, mirrored_by=self._run, known=known, indexing=indexing)
            if not known:
                connection.execute(self._doubt)
        return indexing

    def indexed(self) -> None:
        """Note that the index is complete."""
        with self._ledger.begin() as connection:
            self._set(connection, indexing=False)

    def doubt_everybody(self) -> None:
        """Note that every known member may or may not be in, so that the next run adds them all."""
        with self._holding() as connection:
            connection.execute(self._doubt)

    def doubt_named_exits(self, staging: Staging) -> None:
        """Note, for an audience without known members, that those the stream excludes may be in it."""
        named = sa.select(staged.c.member).where(staging.unwanted(self.name))
        with self._holding() as connection:
            self._insert(connection, named, sa.null())

    def doubt_adds(self, staging: Staging, span: Span) -> None:
        """Note, before a call, that the members it adds may or may not be in the audience from now on."""
        with self._holding() as connection:
            self._insert(connection, self._adds(staging, span), sa.null())

    def added(self, staging: Staging, span: Span, refused: Sequence[str]) -> None:
        """Note that Batch accepted the members in doubt, except for those it refused."""
        doubted = self._mine & members.c.hash.is_(None) & span.holds(members.c.member)
        joined = self._wanted(staging, span).join(members, doubted & (members.c.member == staged.c.member))
        with self._holding() as connection:
            self._insert(connection, joined, staged.c.hash)
            execute_for(connection, self._doubt, members.c.member, refused)

    def replaced(self, staging: Staging, span: Span, refused: Sequence[str]) -> None:
        """Note that Batch accepted a replace: only these members, except the refused ones, are in."""
        with self._holding() as connection:
            connection.execute(self._delete)
            self._set(connection, known=True)
            self._insert(connection, self._wanted(staging, span), staged.c.hash)
            execute_for(connection, self._delete, members.c.member, refused)

    def _insert(
        self, connection: sa.Connection, chosen: sa.Select[Any], hash_: sa.ColumnElement[Any]
    ) -> None:
        """Insert the chosen staged members with a hash; it replaces that of known members."""
        rows = chosen.with_only_columns(sa.literal(self._id), staged.c.member, hash_)
        statement = self._ledger.insert(members).from_select(["audience", "member", "hash"], rows)
        new = {"hash": statement.excluded.hash}
        connection.execute(statement.on_conflict_do_update(index_elements=["audience", "member"], set_=new))

    def doubt_removes(self, ids: Sequence[str]) -> None:
        """Note, before a call, that the members it removes may or may not be in the audience from now on."""
        with self._holding() as connection:
            execute_for(connection, self._doubt, members.c.member, ids)

    def removed(self, ids: Sequence[str]) -> None:
        """Note members that are certainly not in the audience."""
        with self._holding() as connection:
            execute_for(connection, self._delete, members.c.member, ids)

    @contextmanager
    def _holding(self) -> Iterator[sa.Connection]:
        """Yield a connection in a transaction, unless another run holds the audience now."""
        query = sa.select(audiences.c.held_by).where(audiences.c.id == self._id).with_for_update()
        with self._ledger.begin() as connection:
            if connection.scalar(query) != self._run:
                raise TakenOverError(self.name)
            yield connection

    def _set(self, connection: sa.Connection, **values: Any) -> None:
        connection.execute(sa.update(audiences).where(audiences.c.id == self._id).values(values))

    def _wanted(self, staging: Staging, span: Span) -> sa.Select[Any]:
        return sa.select(staged.c.member).where(staging.wanted(self.name), span.holds(staged.c.member))

    def _adds(self, staging: Staging, span: Span) -> sa.Select[Any]:
        """Limit both tables to the span, or the database would scan one of them from its start."""
        pair = self._mine & (members.c.member == staged.c.member) & span.holds(members.c.member)
        differs = members.c.hash.is_(None) | (members.c.hash != staged.c.hash)
        return self._wanted(staging, span).outerjoin(members, pair).where(differs)

    def _removes(self, staging: Staging, span: Span) -> sa.Select[Any]:
        pair = staging.of(self.name) & (staged.c.member == members.c.member) & span.holds(staged.c.member)
        absent = staged.c.member.is_(None) | staged.c.hash.is_(None)
        return self._members.where(span.holds(members.c.member)).outerjoin(staged, pair).where(absent)


def _in_one_call(found: Iterable[Item], size_of: Callable[[Item], int]) -> list[Item]:
    """Return the first members, as many as fit into a body of about 5 MB, but at least one."""
    taken: list[Item] = []
    size = 0
    for item in found:
        size += size_of(item) + AROUND_A_MEMBER
        if taken and size > BODY_BYTES:
            break
        taken.append(item)
    return taken


def _count(connection: sa.Connection, query: sa.Select[Any]) -> int:
    return connection.scalar(sa.select(sa.func.count()).select_from(query.subquery())) or 0


def fed_before(ledger: Ledger, scope: str, stream: str) -> set[str]:
    """Return the audiences of a destination that a stream was mirrored to."""
    query = sa.select(audiences.c.name).filter_by(scope=scope, stream=stream)
    with ledger.begin() as connection:
        return set(connection.scalars(query))


def forget_people(ledger: Ledger, scope: str, ids: Sequence[str]) -> None:
    """Forget members in all audiences of a destination, so that a mirror adds them again."""
    here = members.c.audience.in_(sa.select(audiences.c.id).filter_by(scope=scope))
    with ledger.begin() as connection:
        execute_for(connection, sa.delete(members).where(here), members.c.member, ids)
