"""The target on a clock that runs 200 times as fast, so that one request a second takes 5 ms.

Everything else is real: the process, its pipes, the sockets, the ledger.
"""

from __future__ import annotations

import time
from importlib import import_module, metadata
from typing import TYPE_CHECKING

import target_batch.target
from target_batch import cli
from target_batch.common.clock import Clock
from target_batch.run import Run

if TYPE_CHECKING:
    import threading

    from target_batch.config.settings import Settings

SPEED = 200.0

for _module in (
    "psycopg",
    "target_batch.delivery.memory",
    "target_batch.delivery.mirror",
    *(module for module, _ in cli.COMMANDS.values()),
):
    import_module(_module)  # runs import these lazily; here they are imported once for every fork of `warm`
metadata.version("target-batch")  # triggers imports too


class QuickClock(Clock):
    """The machine's clock 200 times as fast; the time of day is real."""

    def monotonic(self) -> float:
        """Return fast seconds."""
        return time.monotonic() * SPEED

    def wait(self, event: threading.Event, seconds: float) -> None:
        """Wait fast seconds, at most until the event is set."""
        event.wait(seconds / SPEED)

    def sleep(self, seconds: float) -> None:
        """Wait fast seconds."""
        time.sleep(seconds / SPEED)


class QuickTarget(target_batch.target.TargetBatch):
    """The target with its run on the fast clock."""

    def make_run(self, settings: Settings) -> Run:
        """Return a run on the fast clock."""
        return Run(settings, self._emit, self.logger, QuickClock())


def run(*, quick: bool = True) -> None:
    """Run the command line of this process, with loads on the fast or on the real clock."""
    if quick:
        for module in (cli, target_batch.target):
            setattr(module, "TargetBatch", QuickTarget)  # noqa: B010 - the class is replaced, not set
    cli.cli()


if __name__ == "__main__":
    run()
