"""Which runs are alive: each one leaves its process and a sign of life in the ledger."""

from __future__ import annotations

import os
import socket
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final

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
