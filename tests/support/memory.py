"""The peak memory of a process, followed from outside while it lives."""

from __future__ import annotations

import threading
import time
from pathlib import Path


class PeakMemory:
    """Follows a process by its number; `megabytes` is the peak so far, 0 where no machine tells it.

    `ru_maxrss` will not do: it begins with what the process that started it had at that moment.
    """

    def __init__(self, pid: int) -> None:
        self.megabytes = 0.0
        self._status = Path(f"/proc/{pid}/status")
        threading.Thread(target=self._follow, daemon=True).start()

    def _follow(self) -> None:
        try:
            while True:
                for line in self._status.read_text().splitlines():
                    if line.startswith("VmHWM"):
                        self.megabytes = int(line.split()[1]) / 1024
                time.sleep(0.02)
        except OSError:
            return
