"""The ledger's tables, and the steps that migrate older ones.

A member without a hash may or may not be in its audience, with any attributes. An audience that is not
`known` may contain any members, and one that is `indexing` may lack changes that Batch has accepted.
`arrivals` contains the rows of a mirror's stream as they came. `staged` contains, once the stream has ended,
the last row of each member, without a hash if the member does not belong in the audience.

Each row of `profiles` contains the attributes that Batch holds of one profile, packed by `held.py`.
`requests` are the unanswered requests, with the attributes that each carries. An event that is not
`accepted` may or may not have reached Batch.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import sqlalchemy as sa

Step: TypeAlias = Callable[[sa.Connection], None]


def _forget_staged(connection: sa.Connection) -> None:
    """Drop a table of an old format, whose rows only the run that staged them can use."""
    connection.execute(sa.text("DROP TABLE target_batch_staged"))


def _forget_payloads(connection: sa.Connection) -> None:
    """Drop hashes of whole payloads: they do not cover single attributes, so each is sent once more."""
    for table in ("target_batch_payloads", "target_batch_writers", "target_batch_scopes"):
        connection.execute(sa.text(f"DROP TABLE IF EXISTS {table}"))


def _note_indexing(connection: sa.Connection) -> None:
    """Add a column that says whether an audience's index may lack a change."""
    connection.execute(sa.text("ALTER TABLE target_batch_audiences ADD COLUMN indexing BOOLEAN"))


def _forget_runs(connection: sa.Connection) -> None:
    """Drop the heartbeats of runs, and the rows and holds of the runs listed there."""
    for table in ("runs", "arrivals", "staged", "stagings"):
        connection.execute(sa.text(f"DROP TABLE IF EXISTS target_batch_{table}"))
    connection.execute(sa.text("UPDATE target_batch_audiences SET held_by = NULL, mirrored_by = NULL"))


STEPS: tuple[Step, ...] = (_forget_staged, _forget_payloads, _note_indexing, _forget_runs)
"""Step n migrates version n to n + 1. Released steps never change; new ones are added at the end.

A step alters or drops existing tables; tables that are missing afterwards are created as defined below.
"""

ID = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def _key(length: int) -> sa.types.TypeEngine[str]:
    """Return a text type that is compared byte by byte, in PostgreSQL too, so that it sorts as in Python."""
    return sa.String(length).with_variant(sa.String(length, collation="C"), "postgresql")


class Name(sa.TypeDecorator[str]):
    """Text from outside; a NUL, which PostgreSQL cannot store, is stored as U+FFFD."""

    impl = sa.Text
    cache_ok = True

    def process_bind_param(self, value: str | None, _: sa.Dialect) -> str | None:
        """Return the text in a form that every database accepts."""
        return None if value is None else value.replace("\0", "\ufffd")


class Run(sa.TypeDecorator[int]):
    """The number of a run, stored as text: the type of these columns since the first version."""

    impl = sa.String(64)
    cache_ok = True

    def process_bind_param(self, value: int | None, _: sa.Dialect) -> str | None:
        """Return the number as text."""
        return None if value is None else str(value)

    def process_result_value(self, value: str | None, _: sa.Dialect) -> int | None:
        """Return the number."""
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
# `BIGINT`, not `INTEGER`: SQLite then stores rows in order of arrival, with the unordered keys in a separate
# index, so that the rows of one request are on few pages.
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
