"""The target on a clock that runs 200 times as fast: one request a second costs 5 ms.

Everything else is real: the process, its pipes, the sockets, the ledger. `serve` imports once and forks
for each run, as `tests/support/warm.py` does.
"""

from __future__ import annotations

import atexit
import functools
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

sys.path[:0] = [str(Path(__file__).parents[1] / "support")]

import psycopg  # noqa: E402, F401 - imported once, for every fork
import warm  # noqa: E402 - found through the path above

import target_batch.cli  # noqa: E402 - behind the path, to keep one place for it
import target_batch.delivery.memory  # noqa: E402 - imported once, for every fork
import target_batch.delivery.mirror.mirror  # noqa: E402 - imported once, for every fork
import target_batch.target  # noqa: E402 - same
from target_batch.common.clock import Clock  # noqa: E402 - same
from target_batch.config.settings import load  # noqa: E402 - same
from target_batch.run import Run  # noqa: E402 - same

if TYPE_CHECKING:
    import threading

SPEED = 200.0


class QuickClock(Clock):
    """The machine's clock, 200 times as fast; the time of day is the real one."""

    def monotonic(self) -> float:
        """Return quick seconds."""
        return time.monotonic() * SPEED

    def wait(self, event: threading.Event, seconds: float) -> None:
        """Wait quick seconds, at most until the event is set."""
        event.wait(seconds / SPEED)

    def sleep(self, seconds: float) -> None:
        """Wait quick seconds."""
        time.sleep(seconds / SPEED)


class QuickTarget(target_batch.target.TargetBatch):
    """The target, its run on the quick clock."""

    def _validate_config(self, *, raise_errors: bool = True) -> list[str]:
        _ = raise_errors
        self.run = Run(load(self._config), self._emit, self.logger, QuickClock())
        return []


@functools.cache
def _server() -> Path:
    """Start the process that imports, once; return its socket's path."""
    folder = tempfile.TemporaryDirectory(prefix="quick-")
    path = Path(folder.name) / "socket"
    process = subprocess.Popen(
        [sys.executable, __file__, "serve", str(path)], stdout=subprocess.PIPE, stdin=subprocess.DEVNULL
    )

    def stop() -> None:
        process.kill()
        process.communicate()
        folder.cleanup()

    atexit.register(stop)
    assert process.stdout is not None
    assert process.stdout.readline() == b"ready\n", "the target cannot be imported"
    return path


def start(arguments: list[str], environment: dict[str, str]) -> subprocess.Popen[bytes]:
    """Start the quick target warm, with pipes on all three streams."""
    request = json.dumps({"arguments": arguments, "environment": environment})
    return subprocess.Popen(
        [sys.executable, "-I", "-S", warm.__file__, "ask", str(_server()), request],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


if __name__ == "__main__":
    if sys.argv[1] == "serve":
        setattr(target_batch.cli, "TargetBatch", QuickTarget)  # noqa: B010 - the class is replaced, not set
        warm.serve(sys.argv[2])
    else:
        QuickTarget.cli()
