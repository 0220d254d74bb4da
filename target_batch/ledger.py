"""The memory of what was delivered: who is in a mirrored audience, what a profile last got.

It lives in SQLite or PostgreSQL. What a crash leaves unknown is stored as unknown before the call
that may change it, never guessed afterwards: a member without a hash may or may not be in the
audience, a profile without a row has to be sent.
"""

from __future__ import annotations

import os
import socket
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.pool import NullPool

from target_batch.errors import ConfigurationError, DeliveryError
from target_batch.files import private_folder

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

VERSION: Final = 1
"""Version of the tables; an older one is migrated, a newer one refused."""

BUSY_SECONDS: Final = 30
"""How long a run waits for another one that writes to the same SQLite file."""

metadata = sa.MetaData()
versions = sa.Table("target_batch_version", metadata, sa.Column("version", sa.Integer, primary_key=True))
audiences = sa.Table(
    "target_batch_audiences",
    metadata,
    sa.Column("scope", sa.String(200), primary_key=True),
    sa.Column("name", sa.String(255), primary_key=True),
    sa.Column("stream", sa.Text, nullable=False),
    sa.Column("known", sa.Boolean, nullable=False),
    sa.Column("run", sa.String(64)),
    sa.Column("host", sa.String(255)),
    sa.Column("pid", sa.Integer),
    sa.Column("touched", sa.Float, nullable=False),
)
members = sa.Table(
    "target_batch_members",
    metadata,
    sa.Column("scope", sa.String(200), primary_key=True),
    sa.Column("name", sa.String(255), primary_key=True),
    sa.Column("member", sa.String(512), primary_key=True),
    sa.Column("hash", sa.LargeBinary(16)),
)
staged = sa.Table(
    "target_batch_staged",
    metadata,
    sa.Column("run", sa.String(64), primary_key=True),
    sa.Column("name", sa.String(255), primary_key=True),
    sa.Column("member", sa.String(512), primary_key=True),
    sa.Column("hash", sa.LargeBinary(16)),
    sa.Column("body", sa.LargeBinary),
    sa.Column("line", sa.BigInteger, nullable=False),
    sa.Column("source", sa.LargeBinary, nullable=False),
    sa.Column("records", sa.Integer, nullable=False),
    sa.Column("fate", sa.Integer, nullable=False),
)
payloads = sa.Table(
    "target_batch_payloads",
    metadata,
    sa.Column("scope", sa.String(200), primary_key=True),
    sa.Column("custom_id", sa.String(512), primary_key=True),
    sa.Column("hash", sa.LargeBinary(16), nullable=False),
    sa.Column("accepted", sa.Float, nullable=False),
)


class Ledger:
    """An open ledger; `begin()` gives a connection in a transaction."""

    def __init__(self, url: str, work_path: Path) -> None:
        self._engine = _engine(url, work_path)
        insert = sqlite.insert if self._engine.dialect.name == "sqlite" else postgresql.insert
        self.insert: Any = insert
        with _trouble_told(), self._engine.begin() as connection:
            self._migrate(connection)

    def _migrate(self, connection: sa.Connection) -> None:
        if self._engine.dialect.name == "postgresql":
            connection.execute(sa.text("SELECT pg_advisory_xact_lock(7213984501)"))
        metadata.create_all(connection, tables=[versions])
        found = connection.scalar(sa.select(sa.func.max(versions.c.version)))
        if found is None:
            metadata.create_all(connection)
            connection.execute(self.insert(versions).values(version=VERSION).on_conflict_do_nothing())
        elif found > VERSION:
            raise ConfigurationError(
                f"The ledger behind `ledger_url` was written by a newer target-batch (version {found} of "
                f"its tables, this one knows {VERSION}). Upgrade target-batch, or name another ledger."
            )

    @contextmanager
    def begin(self) -> Iterator[sa.Connection]:
        """Give a connection in a transaction.

        Raises:
            DeliveryError: the database does not answer; the run stops and the state is held.
        """
        with _trouble_told(), self._engine.begin() as connection:
            yield connection

    def upsert(self, table: sa.Table, rows: list[dict[str, Any]], connection: sa.Connection) -> None:
        """Insert rows, or overwrite those with the same key."""
        if not rows:
            return
        statement = self.insert(table)
        keys = [column.name for column in table.primary_key]
        values = {
            column.name: statement.excluded[column.name] for column in table.c if not column.primary_key
        }
        connection.execute(statement.on_conflict_do_update(index_elements=keys, set_=values), rows)

    def close(self) -> None:
        """Close the database."""
        self._engine.dispose()


def _engine(url: str, work_path: Path) -> sa.Engine:
    try:
        parsed = sa.make_url(url.replace("{work_path}", str(work_path)))
        dialect = parsed.get_backend_name()
    except sa.exc.ArgumentError:
        dialect = ""
    if dialect == "sqlite":
        if parsed.database and parsed.database != ":memory:":
            _private_file(parsed.database)
        arguments = {"timeout": BUSY_SECONDS, "check_same_thread": False}
        engine = sa.create_engine(parsed, connect_args=arguments, poolclass=NullPool)
        sa.event.listen(engine, "connect", _tune_sqlite)
        return engine
    if dialect == "postgresql":
        try:
            return sa.create_engine(parsed, pool_pre_ping=True)
        except ModuleNotFoundError:
            raise ConfigurationError(
                "`ledger_url` names PostgreSQL, but its driver is missing: "
                "pip install 'target-batch[postgres]' and begin the URL with postgresql+psycopg://."
            ) from None
    raise ConfigurationError(
        "`ledger_url` is no URL of SQLite (sqlite:///FILE) or PostgreSQL (postgresql+psycopg://…)."
    )


def _private_file(name: str) -> None:
    from pathlib import Path  # noqa: PLC0415 - only where a file is made

    path = Path(name)
    private_folder(path.parent)
    if not path.exists():
        os.close(os.open(path, os.O_CREAT | os.O_WRONLY | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600))


def _tune_sqlite(connection: Any, _: Any) -> None:
    cursor = connection.cursor()
    cursor.execute("PRAGMA journal_mode=WAL")
    cursor.execute("PRAGMA synchronous=NORMAL")
    cursor.execute("PRAGMA cache_size=-16000")
    cursor.close()


@contextmanager
def _trouble_told() -> Iterator[None]:
    """Name the trouble of a database by its type: its message may hold a password or a member."""
    try:
        yield
    except sa.exc.SQLAlchemyError as error:
        raise DeliveryError(
            f"The ledger behind `ledger_url` cannot be used ({type(error).__name__}), so the state is held. "
            "Check that the database answers, that its user may create tables, and that the disk has room."
        ) from None


def here() -> tuple[str, int]:
    """Return what tells this process from others: the machine's name and the process number."""
    return socket.gethostname(), os.getpid()


def is_alive(host: str, pid: int) -> bool | None:
    """Tell whether a process still runs; None if it belongs to another machine."""
    if host != socket.gethostname():
        return None
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
