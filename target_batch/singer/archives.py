"""Archives read as Singer messages: rows in; SCHEMA, RECORD and STATE out, so that a replay can resume.

An archive has no Singer envelope: it is JSON lines, CSV or Parquet, of Segment messages or of flat rows. This
reader sends them along the same path as a tap's messages: same mapping, counts, rejects and state.
"""

from __future__ import annotations

from collections import Counter
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, Any, Final

import msgspec

from target_batch.common.errors import ConfigurationError, InputError
from target_batch.common.redaction import clean
from target_batch.singer.messages import Message, record_line
from target_batch.singer.reader import TICK_ROWS, LineReader
from target_batch.singer.row_files import RowFile, located
from target_batch.singer.rows import schema_of, typed, typed_columns

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

SAMPLE_ROWS: Final = 1000
"""Rows from which the properties of flat rows are learned if no schema is given."""

TYPED_ROWS: Final = 10_000
"""Rows of CSV from which the types of columns are learned: the same ones that `explain` looks at."""

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
"""Properties of messages of the Segment spec, untyped: the JSON type of each value decides."""


def sizes_of(files: Sequence[str]) -> list[int]:
    """Return the size of every file in bytes; an empty list if a storage does not report it."""
    import fsspec  # noqa: PLC0415 - only those who read files pay for it

    try:
        found = [fsspec.core.url_to_fs(located(file)) for file in files]
        return [int(place.size(path) or 0) for place, path in found]
    except Exception:  # noqa: BLE001 - only progress suffers; reading reports what is wrong
        return []


def learned(file: RowFile) -> dict[str, Any]:
    """Return a schema learned from the first rows; that of Segment messages is known."""
    if file.is_csv:
        columns, rows = file.head(TYPED_ROWS)
        schema = schema_of(typed_columns(rows))
        schema["properties"] = {name: {} for name in columns} | schema["properties"]
        return schema
    names: dict[str, Any] = {}
    for row, line in enumerate(islice(file.lines({}), SAMPLE_ROWS), start=1):
        names |= file.decoded(line, row).record
    if "type" in names and ("userId" in names or "anonymousId" in names):
        return SEGMENT_SCHEMA
    return {"type": "object", "properties": {name: {} for name in names}}


STATE_ROWS: Final = 1000
"""Rows between two states, of which the run passes on only some, at its own cadence."""


class ArchiveReader(LineReader):
    """A reader of files, one after the other, as one stream; its states say how far it has come.

    Args:
        stream: the stream's name, which may have options in `streams`.
        files: paths or URLs, in the order of their replay.
        schema: the rows' schema; if None, it is learned from the first rows of the first file.
        after: a file and the number of its rows that an earlier run finished, from its last state.
        note: a warning to log before the first row.
    """

    def __init__(
        self,
        stream: str,
        files: Sequence[str],
        schema: dict[str, Any] | None = None,
        after: tuple[str, int] | None = None,
        note: str = "",
    ) -> None:
        super().__init__()
        self._stream = stream
        self._files = list(files)
        self._schema = schema
        self._after = after
        self._note = note

    def process_lines(self, file_input: Any, callbacks: dict[str, Callable[[Any], None]]) -> Counter[str]:
        """Hand every row to the target, with a state every 1,000 rows and wherever the reading ends.

        Raises:
            InputError: a file cannot be read, or a row is not a JSON object.
            ConfigurationError: a file is missing, or the state belongs to other archives.
        """
        _ = file_input
        if self._note:
            self.warn(self._note)
        stats: Counter[str] = Counter()
        begin, done = self._beginning()
        sizes = sizes_of(self._files)
        schema = self._schema or learned(RowFile(self._files[0]))
        callbacks["SCHEMA"](Message("SCHEMA", stream=self._stream, schema=schema))
        for number, file in enumerate(self._files[begin:], start=begin):
            at = partial(self._reached, sum(sizes[:number]), sum(sizes))
            rows = RowFile(file, goes_on=self.goes_on, at=at)
            stats["RECORD"] += self._hand_over(rows, schema, done, callbacks)
            if self.stopped:
                break
            done = 0
        return stats

    def _beginning(self) -> tuple[int, int]:
        """Return the index of the file to begin with, and the number of its rows that are finished."""
        if not self._files:
            raise ConfigurationError(
                "No file was found to replay: see that the names and patterns are right."
            )
        if self._after is None:
            return 0, 0
        file, done = self._after
        if file not in self._files:
            raise ConfigurationError(
                f"The state of the earlier run names '{clean(file, 200)}', which is not among the files. "
                "Give the same files by the same names, or leave `--state` out to begin at the beginning."
            )
        return self._files.index(file), done

    def _hand_over(
        self, file: RowFile, schema: dict[str, Any], first: int, callbacks: dict[str, Callable[[Any], None]]
    ) -> int:
        """Hand over the rows of one file after the `first` ones; return how many were handed over.

        Wherever reading ends, the last state says how far it has come.
        """
        done, row = first, 0
        try:
            for row, line in enumerate(_lines(file, schema), start=1):
                if self._ends(row, first):
                    break
                self.line_number += 1
                if row > first:
                    record, self.line, self.odd = file.decoded(line, row)
                    callbacks["RECORD"](Message("RECORD", stream=self._stream, record=record))
                    done = row
                    if row % STATE_ROWS == 0:
                        callbacks["STATE"](_state(file.uri, done))
        except InputError:
            callbacks["STATE"](_state(file.uri, done))
            raise
        if row < first and not self.stopped:
            raise InputError(
                f"File '{clean(file.uri, 200)}' has {row} rows, and the state of the earlier run says "
                f"that {first} are done: it is not the file it was. Replay it without `--state`."
            )
        callbacks["STATE"](_state(file.uri, done))
        return done - first

    def _ends(self, row: int, first: int) -> bool:
        """Return whether a signal ends the reading; give the run its tick every `TICK_ROWS` new rows."""
        if row % TICK_ROWS == 0 and row > first:
            return not self.goes_on()
        return self.stopped

    def _reached(self, before: int, whole: int, at: int) -> None:
        self.size = (before + at, whole) if whole else None


def _lines(file: RowFile, schema: dict[str, Any]) -> Iterator[bytes]:
    """Yield the rows of a file as RECORD lines."""
    if file.is_csv:
        yield from (record_line(typed(cells, schema)) for cells in file.csv_rows())
    else:
        yield from file.lines({})


def _state(file: str, rows: int) -> Message:
    """Return a state that says how many rows of a file are finished."""
    value = msgspec.json.encode({"replay": {"file": file, "rows": rows}})
    return Message("STATE", value=msgspec.Raw(value))
