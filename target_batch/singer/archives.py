"""Archives as a stream of messages: files of rows in, SCHEMA, RECORD and STATE out, to be resumed.

An archive has no Singer envelope: JSON lines, CSV or Parquet, of Segment messages or of flat rows. Read by
this reader they take the same path as a tap's messages: same mapping, counts, rejects and state.
"""

from __future__ import annotations

from collections import Counter
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from target_batch.common.errors import ConfigurationError, InputError
from target_batch.common.redaction import clean
from target_batch.singer.archive_rows import Rows, learned, sizes_of
from target_batch.singer.batch_files import OddLine, decoded
from target_batch.singer.messages import Message
from target_batch.singer.reader import LineReader

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

STATE_ROWS: Final = 1000
"""Rows between two states: the run passes them on at its own cadence, this is how fine they can be."""

TICK_ROWS: Final = 500


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
        self._after = after

    def process_lines(self, file_input: Any, callbacks: dict[str, Callable[[Any], None]]) -> Counter[str]:
        """Hand every row to the target, with a state every 1,000 rows and wherever the reading ends.

        Raises:
            InputError: a file cannot be read, or a row is not a JSON object.
            ConfigurationError: there is no file, or the state belongs to others.
        """
        _ = file_input
        stats: Counter[str] = Counter()
        begin, done = self._beginning()
        sizes = sizes_of(self._files)
        schema = self._schema or learned(self._files[0])
        callbacks["SCHEMA"](Message("SCHEMA", stream=self._stream, schema=schema))
        for number, file in enumerate(self._files[begin:], start=begin):
            reached = partial(self._reached, sum(sizes[:number]), sum(sizes))
            rows = Rows(file, done, schema, self.goes_on, reached)
            stats["RECORD"] += self._hand_over(rows, callbacks)
            if self.stopped:
                break
            done = 0
        return stats

    def _beginning(self) -> tuple[int, int]:
        """Return the number of the file to begin with, and its rows that are done."""
        if not self._files:
            raise ConfigurationError(
                "No file was found to replay: see that the names and patterns are right."
            )
        if self._after is None:
            return 0, 0
        file, done = self._after
        if file not in self._files or not isinstance(done, int):
            raise ConfigurationError(
                f"The state of the earlier run names '{clean(file, 200)}', which is not among the files. "
                "Give the same files by the same names, or leave `--state` out to begin at the beginning."
            )
        return self._files.index(file), done

    def _hand_over(self, rows: Rows, callbacks: dict[str, Callable[[Any], None]]) -> int:
        """Hand over one file; wherever its reading ends, the last state says how far it came."""
        handed = 0
        try:
            for line in rows:
                if self._ends(rows):
                    break
                self.line_number += 1
                if rows.skipping:
                    continue
                self.line, self.odd = line, isinstance(line, OddLine)
                record = decoded(line, None, rows.row, rows.file)
                callbacks["RECORD"](Message("RECORD", stream=self._stream, record=record))
                handed += 1
                rows.done = rows.row
                if rows.row % STATE_ROWS == 0:
                    callbacks["STATE"](rows.state())
        except InputError:
            callbacks["STATE"](rows.state())
            raise
        if not self.stopped:
            rows.check_end()
        callbacks["STATE"](rows.state())
        return handed

    def _ends(self, rows: Rows) -> bool:
        """Whether a signal ends the reading; now and then the run gets its tick."""
        if rows.row % TICK_ROWS == 0 and not rows.skipping:
            return not self.goes_on()
        return self.stopped

    def _reached(self, before: int, whole: int, at: int) -> None:
        self.size = (before + at, whole) if whole else None
