"""The rows of one archive: how far it is read, what an earlier run has done of it, and what it holds."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Any, Final

import msgspec

from target_batch.common.errors import InputError
from target_batch.common.redaction import clean
from target_batch.singer.batch_files import csv_names, csv_rows, decoded, is_csv, lines
from target_batch.singer.csv_rows import typed
from target_batch.singer.inference import schema_of, typed_columns
from target_batch.singer.messages import Message, record_line
from target_batch.singer.packed_files import located

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

SAMPLE_ROWS: Final = 1000
"""Rows from which the properties of flat rows are learned where no schema is given."""

TYPED_ROWS: Final = 10_000
"""Rows of CSV from which the types of columns are learned: those that `explain` looks at."""

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


class Rows:
    """The rows of one file: `row` is being looked at, `done` of them are behind us."""

    def __init__(
        self,
        file: str,
        done: int,
        schema: dict[str, Any],
        goes_on: Callable[[], bool],
        at: Callable[[int], None],
    ) -> None:
        self.file = file
        self._schema = schema
        self.done = self._first = done
        self.row = 0
        self._goes_on = goes_on
        self._at = at

    def __iter__(self) -> Iterator[bytes]:
        for line in self._lines():
            self.row += 1
            yield line

    def _lines(self) -> Iterator[bytes]:
        if is_csv(self.file):
            rows = csv_rows(self.file, goes_on=self._goes_on, at=self._at)
            return (record_line(typed(row, self._schema)) for row in rows)
        return lines(self.file, {}, None, goes_on=self._goes_on, at=self._at)

    @property
    def skipping(self) -> bool:
        """Whether an earlier run has done this row."""
        return self.row <= self._first

    def check_end(self) -> None:
        """Check that the file held what an earlier run has done of it.

        Raises:
            InputError: it is another file by now, and what is new in it would be passed over.
        """
        if self.row < self._first:
            raise InputError(
                f"File '{clean(self.file, 200)}' has {self.row} rows, and the state of the earlier run says "
                f"that {self._first} are done: it is not the file it was. Replay it without `--state`."
            )

    def state(self) -> Message:
        """Make the state that says how far the reading came."""
        value = msgspec.json.encode({"replay": {"file": self.file, "rows": self.done}})
        return Message("STATE", value=msgspec.Raw(value))


def sizes_of(files: Sequence[str]) -> list[int]:
    """Return the bytes of every file; none at all where a place does not tell."""
    import fsspec  # noqa: PLC0415 - only those who read files pay for it

    try:
        found = [fsspec.core.url_to_fs(located(file)) for file in files]
        return [int(place.size(path) or 0) for place, path in found]
    except Exception:  # noqa: BLE001 - only the forecast suffers; the reading tells what is wrong
        return []


def learned(file: str) -> dict[str, Any]:
    """Learn the properties of rows from the first ones; Segment messages have theirs already."""
    if is_csv(file):
        schema = schema_of(typed_columns(list(islice(csv_rows(file), TYPED_ROWS))))
        schema["properties"] = {name: {} for name in csv_names(file)} | schema["properties"]
        return schema
    names: dict[str, Any] = {}
    for row, line in enumerate(islice(lines(file, {}, None), SAMPLE_ROWS), start=1):
        names |= decoded(line, None, row, file)
    if "type" in names and ("userId" in names or "anonymousId" in names):
        return SEGMENT_SCHEMA
    return {"type": "object", "properties": {name: {} for name in names}}
