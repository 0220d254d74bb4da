"""Reading `work_path` for the page: what was read is kept for a while, for a page asks again and again."""

from __future__ import annotations

import time
from collections import OrderedDict
from threading import Lock
from typing import TYPE_CHECKING, Any, Final, TypeVar

from target_batch.commands import history
from target_batch.commands.runs_page.refused import Refused, gathered

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")

FRESH_SECONDS: Final = 1.0
"""How long what was read from a disk is kept."""
FRESH_SECONDS_BEHIND_URL: Final = 30.0
"""The same behind a URL, where each run is an object of its own."""
FRESH_SECONDS_ENDED: Final = 60.0
"""How long the rejects of a run that ended are kept: they may be many, and change only by being deleted."""
RUNS_KEPT: Final = 8
"""Runs whose rejects are kept."""


class Work:
    """What runs left behind; may be asked from several threads.

    Args:
        path: The setting `work_path`: a folder, or a URL that fsspec knows.
        monotonic: The clock, in seconds.
    """

    def __init__(self, path: str, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._path = path
        self._monotonic = monotonic
        is_remote = "://" in path and not path.startswith("file://")
        self._fresh = FRESH_SECONDS_BEHIND_URL if is_remote else FRESH_SECONDS
        self._lock = Lock()
        self._kept: OrderedDict[tuple[str, ...], tuple[float, Any]] = OrderedDict()

    def runs(self) -> list[dict[str, Any]]:
        """Return the entries of the run log, the newest first.

        Raises:
            ConfigurationError: the folder cannot be read.
        """
        return self._read((), lambda: history.runs(self._path)[::-1], self._fresh)

    def run(self, name: str) -> dict[str, Any] | None:
        """Return the entry of one run; None for an unknown one.

        Raises:
            ConfigurationError: the folder cannot be read.
        """
        return next((entry for entry in self.runs() if entry["run"] == name), None)

    def refused(self, entry: dict[str, Any]) -> Refused:
        """Return what a run of the log refused; the rejects of one that ended only go away.

        Raises:
            ConfigurationError: the folder cannot be read.
        """
        run = entry["run"]
        fresh = self._fresh if entry.get("ended") is False else FRESH_SECONDS_ENDED
        return self._read((run,), lambda: gathered(history.refusals(self._path, run)), fresh)

    def _read(self, key: tuple[str, ...], read: Callable[[], T], fresh: float) -> T:
        with self._lock:
            kept = self._kept.get(key)
            if kept is not None and self._monotonic() - kept[0] < fresh:
                found: T = kept[1]
                return found
            found = read()
            self._kept[key] = self._monotonic(), found
            self._kept.move_to_end(key)
            while len(self._kept) > RUNS_KEPT + 1:
                self._kept.popitem(last=False)
            return found
