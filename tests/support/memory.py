"""The peak memory of a process, measured from outside while it runs."""

from __future__ import annotations

import threading
import time
from pathlib import Path


class PeakMemory:
    """Follows a process by its number; `megabytes` is the peak so far, 0 on systems without `/proc`.

    `ru_maxrss` is not usable, because it starts with the memory of the parent process.
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
