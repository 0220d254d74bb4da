"""Which runs are alive: each one leaves its process and a sign of life in the ledger."""

from __future__ import annotations

import fcntl
import glob
import os
import socket
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import sqlalchemy as sa

from target_batch.ledger.tables import runs

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from target_batch.ledger.database import Ledger

BEAT_SECONDS: Final = 15.0
"""How often a run that holds an audience gives a sign of life."""

SILENT_SECONDS: Final = 120.0
"""Silence after which a run that holds an audience counts as dead."""

FORGOTTEN_SECONDS: Final = 86_400.0
"""Silence after which what a run on another machine has left behind is removed."""


class Presence:
    """This run among the others that use the ledger."""

    def __init__(self, ledger: Ledger, run: str, now: Callable[[], float]) -> None:
        self._ledger = ledger
        self._run = run
        self._now = now
        self._place, self._pid = _here(), os.getpid()
        self._beaten = 0.0
        self.beat()

    def beat(self) -> None:
        """Give a sign of life, if the last one is old enough."""
        now = self._now()
        if now - self._beaten < BEAT_SECONDS:
            return
        with self._ledger.begin() as connection:
            self._ledger.upsert(connection, runs, [(self._run, self._place, self._pid, now)])
        self._beaten = now

    def alive(self, run: str, connection: sa.Connection, silence: float = SILENT_SECONDS) -> bool:
        """Whether a run seems alive: it is not gone from this machine, and gave a sign of life lately."""
        if run == self._run:
            return True
        found = connection.execute(sa.select(runs).where(runs.c.run == run)).one_or_none()
        return found is not None and self._now() - found.touched < silence and not self._gone(found)

    def dead(self, connection: sa.Connection) -> Iterator[str]:
        """Give the runs that are over for good."""
        names = list(connection.scalars(sa.select(runs.c.run)))
        for run in names:
            if not self.alive(run, connection, FORGOTTEN_SECONDS):
                yield run

    def _gone(self, found: sa.Row[tuple[object, ...]]) -> bool:
        if found.host != self._place:
            return False
        # A container that starts again has its old name, and often the same process number.
        return found.pid == self._pid or not _runs(found.pid)


def _here() -> str:
    """Name what process numbers are unique in: the machine, and the container on it."""
    namespace = ""
    with suppress(OSError):
        namespace = f"/{Path('/proc/self/ns/pid').stat().st_ino}"
    return f"{socket.gethostname()}{namespace}"[:255]


def _runs(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


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

    The server takes the lock from a session that has ended; no clock is asked.
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
