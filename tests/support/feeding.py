"""A feeder that writes like a slow tap, a stream of users and events for it, and helpers that wait."""

from __future__ import annotations

import contextlib
import random
import threading
import time
from typing import TYPE_CHECKING, Any

from singer import INTEGER, STRING, record, schema, state
from target_process import Ended

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from local_batch import LocalBatch

USERS = {"user_id": STRING, "seat": INTEGER}
EVENTS = {"user_id": STRING, "event": STRING, "seat": INTEGER}
WAITED_AT_MOST = 20.0


def mixed(count: int, ids: int, *, every: int, seed: int = 0) -> list[str]:
    """Make users and events over some custom IDs, seats rising, with a state after each `every` records."""
    chance = random.Random(seed)  # noqa: S311 - repeatable, not secret
    lines = [schema("users", USERS), schema("events", EVENTS)]
    for seat in range(1, count + 1):
        who = f"u{chance.randrange(ids)}"
        if chance.random() < 0.3:
            lines.append(record("events", user_id=who, event="seen", seat=seat))
        else:
            lines.append(record("users", user_id=who, seat=seat))
        if seat % every == 0:
            lines.append(state({"seen": seat}))
    return lines


class Feeder:
    """Writes lines into a process's standard input from a thread, `chunk` lines at a time."""

    def __init__(
        self, process: subprocess.Popen[bytes], lines: Sequence[str], *, chunk: int = 20, pause: float = 0.005
    ) -> None:
        assert process.stdin is not None
        self._pipe = process.stdin
        self._lines = lines
        self._chunk = chunk
        self._pause = pause
        self._stop = threading.Event()
        self.done = threading.Event()
        self._thread = threading.Thread(target=self._write, daemon=True)
        self._thread.start()

    def _write(self) -> None:
        with contextlib.suppress(OSError, ValueError):
            for begin in range(0, len(self._lines), self._chunk):
                if self._stop.is_set():
                    return
                block = self._lines[begin : begin + self._chunk]
                self._pipe.write("".join(f"{line}\n" for line in block).encode())
                self._pipe.flush()
                time.sleep(self._pause)
        self.done.set()

    def stop(self) -> None:
        """Stop writing."""
        self._stop.set()
        self._thread.join(WAITED_AT_MOST)


def collected(process: subprocess.Popen[bytes], work: Path, *, within: float = 30.0) -> Ended:
    """Wait for the end of a process whose input may stay open, and return its outcome."""
    assert process.stdin is not None
    texts: dict[str, str] = {"out": "", "log": ""}

    def read(name: str, stream: Any) -> None:
        with contextlib.suppress(ValueError), stream:
            texts[name] = stream.read().decode()

    pairs = (("out", process.stdout), ("log", process.stderr))
    threads = [
        threading.Thread(target=read, args=(name, stream), daemon=True)
        for name, stream in pairs
        if stream is not None and not stream.closed
    ]
    for thread in threads:
        thread.start()
    process.wait(within)
    with contextlib.suppress(OSError):
        process.stdin.close()
    for thread in threads:
        thread.join(WAITED_AT_MOST)
    return Ended(process.returncode, [], texts["log"], work, texts["out"])


def wait_until(condition: Callable[[], Any], process: subprocess.Popen[bytes] | None = None) -> None:
    """Wait until a condition holds, while the process is running."""
    end = time.monotonic() + WAITED_AT_MOST
    while not condition():
        assert process is None or process.poll() is None, "the process ended too early"
        assert time.monotonic() < end, "the condition never came true"
        time.sleep(0.01)


def arrived(batch: LocalBatch, count: int = 1) -> Callable[[], bool]:
    """Return the condition that at least `count` requests have reached the local Batch."""
    return lambda: bool(batch.summary()["requests"]["total"] >= count)
