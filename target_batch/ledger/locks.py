"""Detection of live runs: each run holds a lock that the system releases when the run ends."""

from __future__ import annotations

import fcntl
import glob
import os
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

import sqlalchemy as sa

if TYPE_CHECKING:
    from pathlib import Path

SILENT_SECONDS: Final = 120
"""Seconds until PostgreSQL gives up on a run whose machine has disappeared without closing its connection."""

KEEPALIVE: Final = {
    "tcp_keepalives_idle": f"{SILENT_SECONDS // 2}",
    "tcp_keepalives_interval": f"{SILENT_SECONDS // 8}",
    "tcp_keepalives_count": "4",
}
"""Settings of each PostgreSQL session: most systems would probe a silent machine only after two hours."""


class FileLocks:
    """The live runs of an SQLite ledger: each run holds a lock on its own file.

    The system releases the lock when the process ends, however it ends; no clock is involved.
    """

    def __init__(self, database: Path, run: int) -> None:
        self._database = database
        self._path = self._path_of(run)
        self._sweep()
        unlocked = self._path.with_name(f"{self._path.name}-new")
        self._file = os.open(unlocked, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o600)
        fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        unlocked.rename(self._path)

    def is_alive(self, run: int, connection: sa.Connection) -> bool:
        """Return whether the process of a run exists."""
        _ = connection
        return not _is_free(self._path_of(run))

    def release(self) -> None:
        """Show other runs that this one is over."""
        if self._file >= 0:
            with suppress(OSError):
                self._path.unlink()
            os.close(self._file)
            self._file = -1

    def _path_of(self, run: int) -> Path:
        return self._database.with_name(f"{self._database.name}-run-{run:x}")

    def _sweep(self) -> None:
        """Remove the files of killed runs."""
        for path in self._database.parent.glob(f"{glob.escape(self._database.name)}-run-*"):
            if not path.name.endswith("-new") and _is_free(path):
                with suppress(OSError):
                    path.unlink()


class ServerLocks:
    """The live runs of a PostgreSQL ledger: each connection of a run holds a lock on the run's number.

    The server releases the lock when the session ends; no clock is involved. Two runs that asked about a
    third at the same time would contend for its lock, so `is_alive` needs a connection from `Ledger.turn`.
    """

    def __init__(self, engine: sa.Engine, run: int) -> None:
        self._run = run
        sa.event.listen(engine, "connect", lambda connection, _: self._lock(connection))
        sa.event.listen(engine, "close", lambda connection, _: self._unlock(connection))

    def is_alive(self, run: int, connection: sa.Connection) -> bool:
        """Return whether a run has a session."""
        return not connection.scalar(sa.select(sa.func.pg_try_advisory_xact_lock(run)))

    def release(self) -> None:
        """Do nothing: each connection gives its lock up as it is closed."""

    def _lock(self, connection: Any) -> None:
        with connection.cursor() as cursor:
            for name, value in KEEPALIVE.items():
                cursor.execute("SELECT set_config(%s, %s, false)", (name, value))
            cursor.execute("SELECT pg_advisory_lock_shared(%s)", (self._run,))
        connection.commit()

    @staticmethod
    def _unlock(connection: Any) -> None:
        """Give the lock up at once: the server itself does so a moment after it was told of the end."""
        with suppress(Exception), connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_unlock_all()")


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
