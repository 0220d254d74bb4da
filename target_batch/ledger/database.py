"""The ledger database: the members of mirrored audiences, and the attributes that Batch holds per profile.

It is stored in SQLite or PostgreSQL. Before each call, the ledger marks as unknown everything the call may
change, so that after a crash nothing has to be guessed. Each run holds a lock while it lives, by which others
tell its unanswered requests from those of a run that died.
"""

from __future__ import annotations

import fcntl
import glob
import json
import os
import secrets
import sqlite3
from contextlib import ExitStack, closing, contextmanager, suppress
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import sqlalchemy as sa

from target_batch.common.errors import ConfigurationError, DeliveryError
from target_batch.common.storage import private_folder
from target_batch.ledger.tables import (
    STEPS,
    Step,
    audiences,
    events,
    members,
    metadata,
    profiles,
    requests,
    versions,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

BUSY_SECONDS: Final = 60
"""Seconds to wait for another run's transaction, which may be sorting ten million rows."""

CONNECT_SECONDS: Final = 10
CACHE_KIB: Final = 8_000
"""KiB that SQLite uses to cache pages and to sort; two and eight times as much were not faster."""

COPIED_AT_ONCE: Final = 10_000
"""Rows in one step of a copy."""

VALUES_AT_ONCE: Final = 2000
"""Values in one statement."""

MIGRATION_LOCK: Final = 7213984501
"""Number of the PostgreSQL lock under which one run at a time creates or migrates the tables."""

TURN_LOCK: Final = 7213984502
"""Number of the PostgreSQL lock under which one run at a time reads and marks; SQLite needs none."""

SILENT_SECONDS: Final = 120
"""Seconds until PostgreSQL gives up on a run whose machine has disappeared without closing its connection."""

KEEPALIVE: Final = {
    "tcp_keepalives_idle": f"{SILENT_SECONDS // 2}",
    "tcp_keepalives_interval": f"{SILENT_SECONDS // 8}",
    "tcp_keepalives_count": "4",
}
"""Settings of each PostgreSQL session: most systems would probe a silent machine only after two hours."""


class Ledger:
    """An open ledger; `begin()` yields a connection in a transaction.

    `run` is a unique number that identifies this run. As long as the ledger is open, the run holds a lock
    that the system releases when the process or the session ends, however it ends; no clock is involved. A
    ledger opened with `to_read` is not migrated, holds no lock, and can only be read and copied.
    """

    def __init__(
        self, url: str, work_path: Path, steps: Sequence[Step] = STEPS, *, to_read: bool = False
    ) -> None:
        self._steps = steps
        self.run = secrets.randbits(62)
        self._engine = _engine(url, work_path, begin="BEGIN" if to_read else "BEGIN IMMEDIATE")
        self.in_postgresql = self._engine.dialect.name == "postgresql"
        self.insert: Any = import_module(f"sqlalchemy.dialects.{self._engine.dialect.name}").insert
        self._lock: int | None = None
        if to_read:
            return
        try:
            if self.in_postgresql:
                _lock_each_session(self._engine, self.run)
            else:
                with _errors_reported():
                    self._lock = self._locked_file()
            with self.begin() as connection:
                self._migrate(connection)
        except BaseException:
            self.close()
            raise

    def _locked_file(self) -> int:
        """Create and lock the file of this run, and remove those of killed runs."""
        path = self._file_of(self.run)
        database = Path(self._engine.url.database or "")
        for other in database.parent.glob(f"{glob.escape(database.name)}-run-*"):
            if not other.name.endswith("-new") and _is_free(other):
                with suppress(OSError):
                    other.unlink()
        unlocked = path.with_name(f"{path.name}-new")
        file = os.open(unlocked, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o600)
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        unlocked.rename(path)
        return file

    def _file_of(self, run: int) -> Path:
        """Return the file beside an SQLite ledger that a run keeps locked."""
        return Path(f"{self._engine.url.database}-run-{run:x}")

    def is_alive(self, run: int, connection: sa.Connection) -> bool:
        """Return whether a run has not ended.

        The connection comes from `turn`: two runs that asked PostgreSQL about a third at the same time would
        contend for its lock.
        """
        if self.in_postgresql:
            return not connection.scalar(sa.select(sa.func.pg_try_advisory_xact_lock(run)))
        return not _is_free(self._file_of(run))

    def _migrate(self, connection: sa.Connection) -> None:
        """Create the tables, or bring older ones up to date, in one transaction."""
        newest = 1 + len(self._steps)
        if _version(connection) == newest:
            return
        if self.in_postgresql:
            connection.execute(sa.select(sa.func.pg_advisory_xact_lock(MIGRATION_LOCK)))
        metadata.create_all(connection, tables=[versions])
        found = _version(connection)
        if found == newest:
            return
        if found is not None and found > newest:
            raise ConfigurationError(
                f"The ledger behind `ledger_url` was written by a newer target-batch (version {found} of "
                f"its tables, this one knows {newest}). Upgrade target-batch, or name another ledger."
            )
        for step in self._steps[(found or newest) - 1 :]:
            step(connection)
        metadata.create_all(connection)
        connection.execute(self.insert(versions).values(version=newest))

    @contextmanager
    def begin(self) -> Iterator[sa.Connection]:
        """Yield a connection in a transaction.

        Raises:
            DeliveryError: the database does not answer; the run stops and the state is held.
        """
        with _errors_reported(), self._engine.begin() as connection:
            yield connection

    @contextmanager
    def turn(self) -> Iterator[sa.Connection]:
        """Yield a connection in a transaction that excludes all others opened by this method.

        To other runs, everything read and marked within it is one atomic step.

        Raises:
            DeliveryError: the database does not answer, or another run's turn took too long.
        """
        with self.begin() as connection:
            if self.in_postgresql:
                connection.execute(sa.text(f"SET LOCAL lock_timeout = '{BUSY_SECONDS}s'"))
                connection.execute(sa.select(sa.func.pg_advisory_xact_lock(TURN_LOCK)))
            yield connection

    def rows(
        self, connection: sa.Connection, table: sa.Table, keys: Iterable[int]
    ) -> Iterator[tuple[Any, ...]]:
        """Yield the rows of a table whose `key` is one of `keys`."""
        columns = ", ".join(column.name for column in table.c)
        given: dict[str, Any] = {"keys": list(keys)}
        chosen = "= ANY(%(keys)b::int8[])"
        if not self.in_postgresql:
            given["keys"] = json.dumps(given["keys"])
            chosen = "IN (SELECT value FROM json_each(:keys))"
        query = f"SELECT {columns} FROM {table.name} WHERE key {chosen}"  # noqa: S608 - names of ours
        for row in connection.exec_driver_sql(query, given):
            yield tuple(row)

    def append(self, connection: sa.Connection, table: sa.Table, rows: Sequence[tuple[Any, ...]]) -> None:
        """Insert complete rows whose keys are new."""
        if not rows:
            return
        if not self.in_postgresql:
            connection.exec_driver_sql(str(sa.insert(table).compile(connection)), rows)
            return
        driver: Any = connection.connection.driver_connection
        try:
            with driver.cursor() as cursor, cursor.copy(f"COPY {table.name} FROM STDIN") as copy:
                for row in rows:
                    copy.write_row(row)
        except self._engine.dialect.loaded_dbapi.Error as error:
            raise sa.exc.OperationalError(None, None, error) from None

    def upsert(self, connection: sa.Connection, table: sa.Table, rows: Sequence[tuple[Any, ...]]) -> None:
        """Insert complete rows; replace rows whose keys exist.

        Rows are passed directly to the driver: SQLAlchemy would take longer to process them than the database
        to store them.
        """
        if not rows:
            return
        columns = [column.name for column in table.c]
        values = f"VALUES ({', '.join('?' * len(columns))})"
        given: Any = rows
        if self.in_postgresql:
            # Binary format (b): in text format, the driver would quote strings and bytes one by one.
            arrays = (f"%({c.name})b::{c.type.compile(self._engine.dialect)}[]" for c in table.c)
            values = f"SELECT * FROM unnest({', '.join(arrays)})"  # noqa: S608 - names of ours
            given = dict(zip(columns, map(list, zip(*rows, strict=True)), strict=True))
        keys = ", ".join(column.name for column in table.primary_key)
        new = ", ".join(f"{c.name} = excluded.{c.name}" for c in table.c if not c.primary_key)
        into = f"INSERT INTO {table.name} ({', '.join(columns)})"
        statement = f"{into} {values} ON CONFLICT ({keys}) DO UPDATE SET {new}"
        connection.exec_driver_sql(statement, given)

    def take_stock(self, *tables: sa.Table) -> None:
        """Update PostgreSQL's statistics of tables that have just grown: it would plan with outdated ones."""
        if self.in_postgresql:
            with self.begin() as connection:
                connection.execute(sa.text("ANALYZE " + ", ".join(table.name for table in tables)))

    def copied_to(self, file: Path) -> Ledger:
        """Copy what is remembered to a new SQLite ledger; this one is left unchanged, and not migrated.

        Other runs may write to it meanwhile.
        """
        if not self.in_postgresql:
            with _errors_reported(), closing(self._engine.raw_connection()) as connection:
                connection.cursor().execute("VACUUM INTO ?", (str(file),))
            return Ledger(f"sqlite:///{file}", file.parent)
        copy = Ledger(f"sqlite:///{file}", file.parent)
        with self.begin() as source, copy.begin() as connection:
            self._migrate(source)
            for table in (audiences, members, profiles, requests, events):
                rows = source.execute(sa.select(table), execution_options={"stream_results": True})
                for part in rows.partitions(COPIED_AT_ONCE):
                    copy.upsert(connection, table, [tuple(row) for row in part])
            source.rollback()
        return copy

    def close(self) -> None:
        """Close the database, and show other runs that this one is over."""
        self.release()
        self._engine.dispose()

    def release(self) -> None:
        """Show other runs that this one is over; in PostgreSQL, each session does so as it is closed."""
        if self._lock is not None:
            with suppress(OSError):
                self._file_of(self.run).unlink()
            os.close(self._lock)
            self._lock = None


def opened_copy(url: str, work_path: Path, folder: Path) -> Ledger:
    """Open a copy of a ledger for a dry run, which must not change the original; empty if that is missing.

    No other run is alive in the copy, so audiences that runs hold in the original are free.
    """
    file = folder / "ledger.db"
    if is_missing_file(url, work_path):
        return Ledger(f"sqlite:///{file}", folder)
    with closing(Ledger(url, work_path, to_read=True)) as ledger:
        return ledger.copied_to(file)


def opened_to_read(url: str, work_path: Path) -> Ledger | None:
    """Open a ledger for reading only; return None if it does not exist yet.

    Raises:
        ConfigurationError: the ledger was written by another version of target-batch.
        DeliveryError: the database does not answer.
    """
    if is_missing_file(url, work_path):
        return None
    with ExitStack() as unless_returned:
        ledger = Ledger(url, work_path, to_read=True)
        unless_returned.callback(ledger.close)
        with ledger.begin() as connection:
            version = _version(connection)
        if version is None:
            return None
        if version != 1 + len(STEPS):
            raise ConfigurationError(
                "The ledger behind `ledger_url` was written by another version of target-batch. A run of "
                "this version brings an older one up to date; for a newer one, upgrade target-batch."
            )
        unless_returned.pop_all()
    return ledger


def _version(connection: sa.Connection) -> int | None:
    """Return the version of the tables, or None if they do not exist."""
    if not sa.inspect(connection).has_table(versions.name):
        return None
    found: int | None = connection.scalar(sa.select(sa.func.max(versions.c.version)))
    return found


def is_missing_file(url: str, work_path: Path) -> bool:
    """Return whether a URL names an SQLite file that does not exist."""
    with suppress(ConfigurationError):
        parsed = _parsed(url, work_path)
        return parsed.get_backend_name() == "sqlite" and not Path(parsed.database or "").exists()
    return False


def _parsed(url: str, work_path: Path) -> sa.URL:
    with suppress(sa.exc.ArgumentError):
        parsed = sa.make_url(url.replace("{work_path}", str(work_path)))
        if parsed.get_backend_name() in {"sqlite", "postgresql"}:
            return parsed
    raise ConfigurationError(
        "`ledger_url` is not a URL of SQLite (sqlite:///FILE) or PostgreSQL (postgresql+psycopg://…)."
    )


def _engine(url: str, work_path: Path, begin: str) -> sa.Engine:
    parsed = _parsed(url, work_path)
    if parsed.get_backend_name() == "sqlite":
        return _sqlite(parsed, begin)
    try:
        parsed = parsed.set(drivername="postgresql+psycopg")
        arguments = {"connect_timeout": CONNECT_SECONDS}
        return sa.create_engine(parsed, pool_pre_ping=True, connect_args=arguments)
    except ModuleNotFoundError:
        raise ConfigurationError(
            "`ledger_url` names PostgreSQL, but its driver is missing: "
            "pip install 'target-batch[postgres]' and begin the URL with postgresql+psycopg://."
        ) from None


def _sqlite(url: sa.URL, begin: str) -> sa.Engine:
    if not url.database or url.database == ":memory:":
        raise ConfigurationError(
            "`ledger_url` must name a file: a ledger in memory is lost when the run ends."
        )
    path = Path(url.database)
    with _errors_reported():
        private_folder(path.parent)
        if not path.exists():
            flags = os.O_CREAT | os.O_WRONLY | os.O_NOFOLLOW | os.O_CLOEXEC
            os.close(os.open(path, flags, 0o600))
    arguments = {"timeout": BUSY_SECONDS, "check_same_thread": False}
    engine = sa.create_engine(url, connect_args=arguments)
    sa.event.listen(engine, "connect", lambda connection, _: _tune(connection, path.parent))
    # BEGIN IMMEDIATE: a transaction that reads before it writes would fail if another run writes meanwhile.
    sa.event.listen(engine, "begin", lambda connection: connection.exec_driver_sql(begin))
    return engine


def _tune(connection: Any, folder: Path) -> None:
    """Keep everything in one file without WAL, so that it can be copied and stored on a network volume.

    Temporary files of large sorts are placed beside the ledger, where there is space and where personal IDs
    may be stored.
    """
    connection.isolation_level = None
    beside = str(folder.absolute()).replace("'", "''")
    cursor = connection.cursor()
    cursor.execute("PRAGMA journal_mode=TRUNCATE")
    cursor.execute("PRAGMA synchronous=FULL")
    cursor.execute(f"PRAGMA cache_size=-{CACHE_KIB}")
    cursor.execute(f"PRAGMA temp_store_directory='{beside}'")
    cursor.close()


def _lock_each_session(engine: sa.Engine, run: int) -> None:
    """Let each PostgreSQL session of a run hold a lock on the run's number."""

    def lock(connection: Any, _: Any) -> None:
        with connection.cursor() as cursor:
            for name, value in KEEPALIVE.items():
                cursor.execute("SELECT set_config(%s, %s, false)", (name, value))
            cursor.execute("SELECT pg_advisory_lock_shared(%s)", (run,))
        connection.commit()

    def unlock(connection: Any, _: Any) -> None:
        """Give the lock up at once: the server itself does so a moment after the connection has ended."""
        with suppress(Exception), connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_unlock_all()")

    sa.event.listen(engine, "connect", lock)
    sa.event.listen(engine, "close", unlock)


def _is_free(path: Path) -> bool:
    """Return whether no process holds the lock on a file, or the file does not exist."""
    try:
        file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return True
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    finally:
        os.close(file)
    return True


@contextmanager
def _errors_reported() -> Iterator[None]:
    """Report a database error by its type only: its message may contain a password or a member."""
    try:
        yield
    except (sa.exc.SQLAlchemyError, sqlite3.Error, OSError) as error:
        raise DeliveryError(
            f"The ledger behind `ledger_url` cannot be used ({type(error).__name__}), so the state is held. "
            "Check that the database answers, that its user may create tables, and that the disk has room."
        ) from None


def execute_for(
    connection: sa.Connection,
    statement: sa.Update | sa.Delete,
    column: sa.Column[Any],
    values: Sequence[Any],
) -> None:
    """Execute a statement for the rows that have one of many values in a column."""
    for start in range(0, len(values), VALUES_AT_ONCE):
        connection.execute(statement.where(column.in_(values[start : start + VALUES_AT_ONCE])))
