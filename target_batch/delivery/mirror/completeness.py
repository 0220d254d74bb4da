"""Whether a stream was read to its end, or its tap may have died on the way.

A STATE after the last record proves it, and so does an ACTIVATE_VERSION, unless a tap has marked the
state as one from the middle, or the state is empty, as taps write it when they are terminated. A stream
without a record proves less by itself: for it the last word must come after every record of the input.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

if TYPE_CHECKING:
    from collections.abc import Mapping

    from target_batch.common.records import Tally


class Completeness:
    """What speaks for the completeness of one stream; `tallies` count the records of all of them."""

    def __init__(self, stream: str, tallies: Mapping[str, Tally]) -> None:
        self._stream = stream
        self._tallies = tallies
        self._read_before = -1
        self._input_before = -1
        self.is_under_way = False
        """Whether the last STATE says that the tap was still at work."""

    def state(self, value: bytes) -> None:
        """Take a STATE in."""
        self.is_under_way = self._under_way(value)
        if not self.is_under_way:
            self._read_before = self._read()
            if not self._read_before:
                self._input_before = self._read_in_all()

    def activated(self) -> None:
        """Take an ACTIVATE_VERSION of the stream in: the first one stands before its records."""
        if self._read():
            self._read_before = self._read()

    def holds(self) -> bool:
        """Whether nothing of the stream came after the proof, and nothing at all if it is empty."""
        if self._read_before != self._read():
            return False
        return self._read() > 0 or self._input_before == self._read_in_all()

    def _read(self) -> int:
        tally = self._tallies.get(self._stream)
        return tally.read if tally else 0

    def _read_in_all(self) -> int:
        return sum(tally.read for tally in self._tallies.values())

    def _under_way(self, state: bytes) -> bool:
        """Tell whether a state was written in the middle of a stream, as taps mark it."""
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
        found = [self._stream] if self._stream in bookmarks else filter(self._may_be_mine, bookmarks)
        return any(_holds_markers(bookmarks[name]) for name in found)

    def _may_be_mine(self, name: Any) -> bool:
        """Whether a tap may mean this stream: a stream map can have given it another name."""
        return name == self._stream or not isinstance(name, str) or name not in self._tallies


def _holds_markers(bookmark: Any) -> bool:
    """Tell whether a bookmark, or that of one of its partitions, is marked as unfinished."""
    if not isinstance(bookmark, dict):
        return False
    partitions = bookmark.get("partitions")
    parts = partitions if isinstance(partitions, list) else []
    return "progress_markers" in bookmark or any(_holds_markers(part) for part in parts)
