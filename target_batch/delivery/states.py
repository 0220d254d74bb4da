"""STATE messages: when one may be emitted, and whether one proves that a stream is complete."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any, Final

import msgspec

if TYPE_CHECKING:
    from collections.abc import Mapping

    from target_batch.common.operations import Tally

MOST_WAITING: Final = 1000
"""Maximum number of waiting states; beyond it every second one is dropped (a later one implies it)."""


class Checkpoints:
    """Waiting states by input line, held until everything before them is delivered or on disk.

    They are emitted as received and in order.
    """

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


class Completeness:
    """The evidence that one stream is complete; `tallies` count the records of all streams.

    `source` is the stream of the tap that a stream map made it from, if that has another name.

    A stream is complete if a STATE or an ACTIVATE_VERSION comes after its last record. A STATE does not count
    if the tap has marked it as written in the middle of a stream, or if it is empty, as taps write it when
    they are terminated. For a stream without records, the message must come after the last record of the
    whole input.
    """

    def __init__(self, stream: str, tallies: Mapping[str, Tally], source: str | None = None) -> None:
        self._stream = stream
        self._names = {stream, source or stream}
        self._tallies = tallies
        self._read_before = -1
        self._input_before = -1
        self.is_under_way = False
        """Whether the last STATE was written while the tap was still working on the stream."""

    def state(self, value: bytes) -> None:
        """Process a STATE."""
        self.is_under_way = self._under_way(value)
        if not self.is_under_way:
            self._read_before = self._read()
            if not self._read_before:
                self._input_before = self._read_in_all()

    def activated(self) -> None:
        """Process an ACTIVATE_VERSION of the stream; one before its first record is ignored."""
        if self._read():
            self._read_before = self._read()

    def holds(self) -> bool:
        """Return whether no record of the stream (of any stream, if it is empty) came after the evidence."""
        if self._read_before != self._read():
            return False
        return self._read() > 0 or self._input_before == self._read_in_all()

    def _read(self) -> int:
        tally = self._tallies.get(self._stream)
        return tally.read if tally else 0

    def _read_in_all(self) -> int:
        return sum(tally.read for tally in self._tallies.values())

    def _under_way(self, state: bytes) -> bool:
        """Return whether a state comes from the middle of a stream: it is marked so, empty, or unreadable."""
        try:
            value = msgspec.json.decode(state)
        except msgspec.DecodeError:
            return True
        if not isinstance(value, dict):
            return value is None
        syncing = value.get("currently_syncing")
        return not value or bool(syncing and self._may_be_mine(syncing)) or self._is_marked(value)

    def _is_marked(self, state: dict[str, Any]) -> bool:
        bookmarks = state.get("bookmarks")
        if not isinstance(bookmarks, dict):
            return False
        mine = [name for name in bookmarks if name in self._names]
        found = mine or filter(self._may_be_mine, bookmarks)
        return any(_holds_markers(bookmarks[name]) for name in found)

    def _may_be_mine(self, name: Any) -> bool:
        """Return whether a tap may mean this stream: a stream map may have given it another name."""
        return not isinstance(name, str) or name in self._names or name not in self._tallies


def _holds_markers(bookmark: Any) -> bool:
    """Return whether a bookmark, or one of its partitions, is marked as unfinished."""
    if not isinstance(bookmark, dict):
        return False
    partitions = bookmark.get("partitions")
    parts = partitions if isinstance(partitions, list) else []
    return "progress_markers" in bookmark or any(_holds_markers(part) for part in parts)
