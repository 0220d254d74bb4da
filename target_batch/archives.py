"""Archives as a stream of messages: files of rows in, SCHEMA, RECORD and STATE out, to be resumed.

An archive has no Singer envelope: JSON lines or Parquet, of Segment messages or of flat rows. Read by
this reader they take the same path as a tap's messages: same mapping, counts, rejects and state.
"""

from __future__ import annotations

from collections import Counter
from itertools import islice
from typing import TYPE_CHECKING, Any, Final

import msgspec

from target_batch.batches import decoded, encoding_of, lines
from target_batch.reader import LineReader, Message

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

STATE_ROWS: Final = 10_000
TICK_ROWS: Final = 500
SAMPLE_ROWS: Final = 1000
"""Rows from which the properties of flat rows are learned where no schema is given."""

SEGMENT_SCHEMA: Final[dict[str, Any]] = {
    "type": "object",
    "properties": {
        name: {}
        for name in (
            "type",
            "userId",
            "anonymousId",
            "messageId",
            "event",
            "name",
            "category",
            "groupId",
            "traits",
            "properties",
            "context",
            "timestamp",
            "originalTimestamp",
            "sentAt",
            "receivedAt",
        )
    },
}
"""What messages of the Segment spec carry; values go by their JSON type."""


class ArchiveReader(LineReader):
    """Reads files one after the other as one stream; a state says how far it came.

    Args:
        stream: the stream's name, which `streams` may give options.
        files: paths or URLs, in the order of their replay.
        schema: the rows' schema; learned from the first rows of the first file if None.
        after: file and rows of it that an earlier run has done, from its last state.
    """

    def __init__(
        self,
        stream: str,
        files: Sequence[str],
        schema: dict[str, Any] | None = None,
        after: tuple[str, int] | None = None,
    ) -> None:
        super().__init__()
        self._stream = stream
        self._files = list(files)
        self._schema = schema
        self._done = 0
        if after is not None and after[0] in self._files:
            self._files = self._files[self._files.index(after[0]) :]
            self._done = after[1]

    def process_lines(self, file_input: Any, callbacks: dict[str, Callable[[Any], None]]) -> Counter[str]:
        """Hand every row to the target, with a state every 10,000 rows and after each file.

        Raises:
            InputError: a file cannot be read, or a row is no JSON object.
        """
        _ = file_input
        stats: Counter[str] = Counter()
        schema = self._schema or (learned(self._files[0]) if self._files else SEGMENT_SCHEMA)
        callbacks["SCHEMA"](Message("SCHEMA", stream=self._stream, schema=schema))
        for file in self._files:
            last, self._done = self._done, 0
            for row in self._rows(file, last, callbacks["RECORD"]):
                last = row
                stats["RECORD"] += 1
                if row % STATE_ROWS == 0:
                    callbacks["STATE"](_state(file, row))
                if self.stopped:
                    return stats
            callbacks["STATE"](_state(file, last))
        return stats

    def _rows(self, file: str, done: int, callback: Callable[[Any], None]) -> Iterator[int]:
        rows = enumerate(lines(file, encoding_of(file), self.line_number + 1), start=1)
        for row, line in islice(rows, done, None):
            self.line = line
            self.line_number += 1
            record = decoded(line, self.line_number, row)
            callback(Message("RECORD", stream=self._stream, record=record))
            if row % TICK_ROWS == 0:
                self.tick()
            yield row


def _state(file: str, rows: int) -> Message:
    value = msgspec.json.encode({"replay": {"file": file, "rows": rows}})
    return Message("STATE", value=msgspec.Raw(value))


def learned(file: str) -> dict[str, Any]:
    """Learn the properties of rows from the first ones; Segment messages have theirs already."""
    names: dict[str, Any] = {}
    for row, line in enumerate(islice(lines(file, encoding_of(file), 1), SAMPLE_ROWS), start=1):
        names |= decoded(line, 1, row)
    if "type" in names and ("userId" in names or "anonymousId" in names):
        return SEGMENT_SCHEMA
    return {"type": "object", "properties": {name: {} for name in names}}
