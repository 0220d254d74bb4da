"""States that may be emitted: as received, in order, and only once the records before them are settled."""

from __future__ import annotations

from collections import deque
from typing import Final

MOST_WAITING: Final = 1000
"""Maximum number of waiting states; beyond it every second one is dropped (a later one implies it)."""


class Checkpoints:
    """Waiting states by input line, held until everything before them is delivered or on disk."""

    def __init__(self) -> None:
        self._waiting: deque[tuple[int, bytes, int]] = deque()
        self._records = -1
        self.covered = 0
        """Number of records before the newest state that was taken out."""

    def received(self, line: int, state: bytes, records: int) -> None:
        """Keep a state; an empty one is skipped, because it must never replace a full one.

        `records` is the number of records read before it. Of several states without a record between them,
        only the last is kept.
        """
        if b"".join(state.split()) in {b"{}", b"null", b""}:
            return
        if self._waiting and self._records == records:
            self._waiting.pop()
        self._records = records
        self._waiting.append((line, state, records))
        if len(self._waiting) > MOST_WAITING:
            newest = self._waiting[-1]
            self._waiting = deque(list(self._waiting)[::2])
            if self._waiting[-1] != newest:
                self._waiting.append(newest)

    @property
    def waiting(self) -> bool:
        """Whether a state is waiting to be emitted."""
        return bool(self._waiting)

    def confirmed(self, oldest_unconfirmed: int | None) -> bytes | None:
        """Take out and return the newest state before the oldest unconfirmed record, if there is one."""
        newest = None
        while self._waiting and (oldest_unconfirmed is None or self._waiting[0][0] < oldest_unconfirmed):
            _, newest, self.covered = self._waiting.popleft()
        return newest
