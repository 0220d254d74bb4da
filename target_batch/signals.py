"""Signals that end a run.

The handler only sets a flag. The rest happens on a thread that the interpreter wakes through a pipe: at
once, even while the main thread is blocked in a call, such as one that waits for a lock.
"""

from __future__ import annotations

import os
import select
import signal
import threading
import time
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable

    from typing_extensions import Self

ALWAYS: Final = (signal.SIGINT, signal.SIGTERM)
UNLESS_IGNORED: Final = tuple(
    getattr(signal, name) for name in ("SIGHUP", "SIGQUIT") if hasattr(signal, name)
)
"""Signals that `nohup`, or a shell that starts a background job, may have set to be ignored: they stay so."""

STALLED_SECONDS: Final = 4.5
"""Seconds without progress after which a run that has to end is abandoned, as if it had crashed."""

GLANCE_SECONDS: Final = 0.1


def handle(handler: Callable[[int, Any], None] | signal.Handlers) -> None:
    """Set the handler of every signal that ends a run, if called on the main thread."""
    if threading.current_thread() is threading.main_thread():
        for number in (*ALWAYS, *UNLESS_IGNORED):
            if number in ALWAYS or signal.getsignal(number) is not signal.SIG_IGN:
                signal.signal(number, handler)


class SignalWatch:
    """A context manager whose thread acts on the first signal.

    Args:
        act: Called once, with the signal's number.
        pulse: Returns a value that changes as long as the run makes progress.
        leave: Ends the process; called if, after the signal, the pulse is unchanged for `STALLED_SECONDS`.
    """

    def __init__(
        self, act: Callable[[int], None], pulse: Callable[[], object], leave: Callable[[], None]
    ) -> None:
        self._act = act
        self._pulse = pulse
        self._leave = leave
        self._reader = self._writer = -1

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            self._reader, self._writer = os.pipe()
            os.set_blocking(self._writer, False)
            signal.set_wakeup_fd(self._writer, warn_on_full_buffer=False)
            threading.Thread(target=self._watch, args=(self._reader,), name="signals", daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._writer >= 0:
            signal.set_wakeup_fd(-1)
            os.close(self._writer)  # the thread reads the end of the pipe

    def already(self, number: int) -> None:
        """Act on a signal that came before the watch began."""
        if self._writer >= 0:
            os.write(self._writer, bytes([number]))

    def _watch(self, reader: int) -> None:
        try:
            while number := os.read(reader, 1):
                if number[0] in {*ALWAYS, *UNLESS_IGNORED}:
                    self._act(number[0])
                    self._wait_for_the_end(reader)
                    return
        finally:
            os.close(reader)

    def _wait_for_the_end(self, reader: int) -> None:
        """Return when the watch is over; leave if the run makes no progress."""
        pulse, since = self._pulse(), time.monotonic()
        while time.monotonic() - since < STALLED_SECONDS:
            if select.select([reader], [], [], GLANCE_SECONDS)[0] and not os.read(reader, 64):
                return
            if (now := self._pulse()) != pulse:
                pulse, since = now, time.monotonic()
        self._leave()
