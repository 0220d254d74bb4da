"""Which runs are alive: each one holds a lock that the system takes from it when it ends."""

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
"""How long PostgreSQL goes on believing in a run whose machine has gone without a word."""

KEEPALIVE: Final = {
    "tcp_keepalives_idle": f"{SILENT_SECONDS // 2}",
    "tcp_keepalives_interval": f"{SILENT_SECONDS // 8}",
    "tcp_keepalives_count": "4",
}
"""What a server is asked to do in each session: most systems would ask a silent machine after two hours."""


class FileLocks:
    """Which runs are alive beside a SQLite ledger: each holds a lock on a file of its own.

    The system takes the lock from a process that has ended, however it ended; no clock is asked.
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
        """Whether the process of a run is there."""
        _ = connection
        return not _is_free(self._path_of(run))

    def release(self) -> None:
        """Let others see that this run is over."""
        if self._file >= 0:
            with suppress(OSError):
                self._path.unlink()
            os.close(self._file)
            self._file = -1

    def _path_of(self, run: int) -> Path:
        return self._database.with_name(f"{self._database.name}-run-{run:x}")

    def _sweep(self) -> None:
        """Remove what killed runs have left."""
        for path in self._database.parent.glob(f"{glob.escape(self._database.name)}-run-*"):
            if not path.name.endswith("-new") and _is_free(path):
                with suppress(OSError):
                    path.unlink()


class ServerLocks:
    """Which runs are alive at a PostgreSQL ledger: each connection of a run holds its number as a lock.

    The server takes the lock from a session that has ended; no clock is asked. Two runs that ask about a
    third at once would meet in its lock, so `is_alive` wants a connection of `Ledger.turn`.
    """

    def __init__(self, engine: sa.Engine, run: int) -> None:
        self._run = run
        sa.event.listen(engine, "connect", lambda connection, _: self._lock(connection))

    def is_alive(self, run: int, connection: sa.Connection) -> bool:
        """Whether a run has a session."""
        return not connection.scalar(sa.select(sa.func.pg_try_advisory_xact_lock(run)))

    def release(self) -> None:
        """Do nothing: the locks go with the connections."""

    def _lock(self, connection: Any) -> None:
        with connection.cursor() as cursor:
            for name, value in KEEPALIVE.items():
                cursor.execute("SELECT set_config(%s, %s, false)", (name, value))
            cursor.execute("SELECT pg_advisory_lock_shared(%s)", (self._run,))
        connection.commit()


def _is_free(path: Path) -> bool:
    """Whether no process holds the lock on a file, or the file is gone."""
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
