"""The journal: every accepted entry in order of arrival, as NDJSON."""

from bisect import bisect_right
from collections.abc import Iterator
from typing import Any

import msgspec

_ENCODER = msgspec.json.Encoder()


class Journal:
    """Accepted entries, stored as one block of NDJSON per request.

    Args:
        keep: Whether to store the entries, or only to count them.
    """

    def __init__(self, *, keep: bool) -> None:
        self.keep = keep
        self.total = 0
        self._starts: list[int] = []
        self._blocks: list[bytes] = []

    def append(self, lines: list[dict[str, Any]]) -> None:
        """Add the accepted entries of one request, each with its number ``n``, from 0."""
        if not lines:
            return
        if self.keep:
            numbered = ({"n": n, **line} for n, line in enumerate(lines, self.total))
            self._starts.append(self.total)
            self._blocks.append(_ENCODER.encode_lines(list(numbered)))
        self.total += len(lines)

    def read(self, start: int = 0) -> Iterator[bytes]:
        """Yield blocks of lines, from line number `start` to the current end."""
        if start >= self.total or not self._blocks:
            return
        first = bisect_right(self._starts, start) - 1
        skipped = self._blocks[first].split(b"\n", start - self._starts[first])[-1]
        yield skipped
        yield from self._blocks[first + 1 : len(self._blocks)]
