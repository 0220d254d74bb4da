"""The ledger's tables, and the steps that bring older ones up to date.

A member without a hash may or may not be in its audience, and may have any attributes; an audience that
is not `known` may hold anybody, and one that is `indexing` may lack what Batch has accepted. The rows of a
mirror's stream lie in `arrivals` as they came, and in `staged` once the stream has ended: the last one on
each member, without a hash if that says that it is out.

What Batch holds of a profile is one row of `profiles`, packed by `held.py`; `requests` are those that are
out, with the attributes that each carries; an event that is not `accepted` may or may not have reached Batch.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import sqlalchemy as sa

Step: TypeAlias = Callable[[sa.Connection], None]


def _forget_staged(connection: sa.Connection) -> None:
    """Drop rows of another shape, which only the run that staged them can use."""
    connection.execute(sa.text("DROP TABLE target_batch_staged"))


def _forget_payloads(connection: sa.Connection) -> None:
    """Drop hashes of whole payloads: they say nothing of an attribute, so each is sent once more."""
    for table in ("target_batch_payloads", "target_batch_writers", "target_batch_scopes"):
        connection.execute(sa.text(f"DROP TABLE IF EXISTS {table}"))


def _note_indexing(connection: sa.Connection) -> None:
    """Let audiences say whether a change may be missing in their index."""
    connection.execute(sa.text("ALTER TABLE target_batch_audiences ADD COLUMN indexing BOOLEAN"))


def _forget_runs(connection: sa.Connection) -> None:
    """Drop the signs of life that runs gave, and what those have left that are named there."""
    for table in ("runs", "arrivals", "staged", "stagings"):
        connection.execute(sa.text(f"DROP TABLE IF EXISTS target_batch_{table}"))
    connection.execute(sa.text("UPDATE target_batch_audiences SET held_by = NULL, mirrored_by = NULL"))


STEPS: tuple[Step, ...] = (_forget_staged, _forget_payloads, _note_indexing, _forget_runs)
"""Step n brings version n to n + 1. A released step never changes; a new one is added at the end.

A step alters or drops what is there; tables that are missing afterwards are made as they are below.
"""

ID = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def _key(length: int) -> sa.types.TypeEngine[str]:
    """Return text that is compared byte by byte, in PostgreSQL too: what is sorted there is sorted here."""
    return sa.String(length).with_variant(sa.String(length, collation="C"), "postgresql")


class Name(sa.TypeDecorator[str]):
    """Text of foreign origin; a NUL, which PostgreSQL cannot hold, is kept as U+FFFD."""

    impl = sa.Text
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: sa.Dialect) -> str | None:
        """Return the text as every database takes it."""
        del dialect
        return None if value is None else value.replace("\0", "\ufffd")


class Run(sa.TypeDecorator[int]):
    """The number of a run, in columns that have been texts from the first version on."""

    impl = sa.String(64)
    cache_ok = True

    def process_bind_param(self, value: int | None, dialect: sa.Dialect) -> str | None:
        """Return the number as it is stored."""
        del dialect
        return None if value is None else str(value)

    def process_result_value(self, value: str | None, dialect: sa.Dialect) -> int | None:
        """Return the number."""
        del dialect
        return None if value is None else int(value)


metadata = sa.MetaData()
versions = sa.Table("target_batch_version", metadata, sa.Column("version", sa.Integer, primary_key=True))
audiences = sa.Table(
    "target_batch_audiences",
    metadata,
    sa.Column("id", ID, primary_key=True, autoincrement=True),
    sa.Column("scope", sa.String(200), nullable=False),
    sa.Column("name", sa.String(255), nullable=False),
    sa.Column("stream", Name),
    sa.Column("mirrored_by", Run),
    sa.Column("held_by", Run),
    sa.Column("known", sa.Boolean, nullable=False),
    sa.Column("indexing", sa.Boolean),
    sa.UniqueConstraint("scope", "name"),
)
members = sa.Table(
    "target_batch_members",
    metadata,
    sa.Column("audience", ID, primary_key=True, autoincrement=False),
    sa.Column("member", _key(512), primary_key=True),
    sa.Column("hash", sa.LargeBinary(16)),
    sqlite_with_rowid=False,
)
stagings = sa.Table(
    "target_batch_stagings",
    metadata,
    sa.Column("id", ID, primary_key=True, autoincrement=True),
    sa.Column("run", Run, nullable=False),
)
arrivals = sa.Table(
    "target_batch_arrivals",
    metadata,
    sa.Column("staging", ID, primary_key=True, autoincrement=False),
    sa.Column("number", ID, primary_key=True, autoincrement=False),
    sa.Column("name", _key(255), nullable=False),
    sa.Column("member", _key(512), nullable=False),
    sa.Column("hash", sa.LargeBinary(16)),
    sa.Column("body", sa.LargeBinary),
    sa.Column("line", sa.BigInteger, nullable=False),
    sa.Column("source", sa.LargeBinary, nullable=False),
    sqlite_with_rowid=False,
)
staged = sa.Table(
    "target_batch_staged",
    metadata,
    sa.Column("staging", ID, primary_key=True, autoincrement=False),
    sa.Column("name", _key(255), primary_key=True),
    sa.Column("member", _key(512), primary_key=True),
    sa.Column("hash", sa.LargeBinary(16)),
    sa.Column("number", ID, nullable=False),
    sa.Column("records", sa.Integer, nullable=False),
    sa.Column("refused", sa.Boolean, nullable=False),
    sqlite_with_rowid=False,
)
# `BIGINT` and not `INTEGER`: SQLite then keeps rows in the order in which they came, and the keys, which come
# in none, in an index of their own: the rows of a request lie on few pages.
profiles = sa.Table(
    "target_batch_profiles",
    metadata,
    sa.Column("key", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("held", sa.LargeBinary, nullable=False),
)
requests = sa.Table(
    "target_batch_requests",
    metadata,
    sa.Column("run", ID, primary_key=True, autoincrement=False),
    sa.Column("number", ID, primary_key=True, autoincrement=False),
    sa.Column("carried", sa.LargeBinary, nullable=False),
    sa.Column("crossed", sa.LargeBinary, nullable=False),
)
events = sa.Table(
    "target_batch_events",
    metadata,
    sa.Column("key", ID, primary_key=True, autoincrement=False),
    sa.Column("rest", ID, nullable=False),
    sa.Column("hour", sa.Integer, nullable=False),
    sa.Column("accepted", sa.Boolean, nullable=False),
)
