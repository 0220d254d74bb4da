"""The states that may pass: received, unchanged, in order, and only what lies behind is confirmed."""

from __future__ import annotations

from collections import deque
from typing import Final

MOST_WAITING: Final = 1000
"""States kept while they wait; beyond that every second one is forgotten (a later one implies it)."""


class Checkpoints:
    """Holds states by input line until everything before them is delivered or on disk."""

    def __init__(self) -> None:
        self._waiting: deque[tuple[int, bytes, int]] = deque()
        self._records = -1
        self.covered = 0
        """Records that lie before the newest state that was taken out."""

    def received(self, line: int, state: bytes, records: int) -> None:
        """Keep a state; an empty one is passed over, for it must never replace a full one.

        `records` is how many were read before it: of states without a record between them one is kept.
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
        """Whether a state waits to pass."""
        return bool(self._waiting)

    def confirmed(self, oldest_unconfirmed: int | None) -> bytes | None:
        """Take out the newest state that lies before the oldest unconfirmed record."""
        newest = None
        while self._waiting and (oldest_unconfirmed is None or self._waiting[0][0] < oldest_unconfirmed):
            _, newest, self.covered = self._waiting.popleft()
        return newest
