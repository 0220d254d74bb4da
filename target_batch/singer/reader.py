"""A fast reader of Singer lines as bytes: signals end the input, and an idle tap still produces ticks."""

from __future__ import annotations

import os
import re
import select
import sys
from collections import Counter
from io import BytesIO
from typing import IO, TYPE_CHECKING, Any, Final

import msgspec
from singer_sdk.singerlib.encoding.base import GenericSingerReader

from target_batch.common.errors import InputError
from target_batch.common.limits import MIB
from target_batch.common.redaction import clean
from target_batch.singer.messages import UNREADABLE, decode, odd_message

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from target_batch.singer.messages import Message

CHUNK: Final = 256 * 1024
LONGEST_LINE: Final = 256 * MIB
"""Bytes of one line, about a thousand times the size of a record that Batch accepts."""
TICK_SECONDS: Final = 0.2
TICK_ROWS: Final = 500
"""Rows of a file between two ticks, which settle answers and check whether a checkpoint is due."""

BOM: Final = b"\xef\xbb\xbf"
BLANK: Final = b" \t\r\n"
WRONG_KEY: Final = re.compile(
    r"Expected `(?P<expected>[^`]+)`, got `(?P<got>\w+)` - at `\$\.(?P<key>\w+)[^`]*`"
)
"""Error of msgspec about a message with a key of the wrong type."""

ROWS_HINT: Final = (
    "Rows are not Singer messages: `target-batch explain` shows what they would become, and "
    "`target-batch replay` loads JSON lines and Parquet."
)
SEGMENT_TYPES: Final = frozenset({"identify", "track", "page", "screen", "group", "alias"})


class LineReader(GenericSingerReader[bytes]):
    """A reader that hands every message to its callback; `line` and `line_number` are those being read.

    `odd` is whether the line was not strict JSON, so that its record may hold NaN or half a surrogate pair.
    `size` is (bytes read, bytes in all) if the input is a file, None if its end is unknown.
    """

    def __init__(self) -> None:
        super().__init__()
        self.line = b""
        self.line_number = 0
        self.stopped = False
        self.tolerates_torn_end = False
        self.odd = False
        self.size: tuple[int, int] | None = None
        self.tick: Callable[[], None] = lambda: None
        self.warn: Callable[[str], None] = lambda _: None
        self._unknown_types: set[str] = set()

    def goes_on(self) -> bool:
        """Give the run its tick during long work; return False once a signal has ended the reading."""
        self.tick()
        return not self.stopped

    @property
    def default_input(self) -> IO[bytes]:
        """Standard input as bytes; text would be decoded by the locale's encoding.

        Raises:
            InputError: it is closed.
        """
        if sys.stdin is None:
            raise InputError(
                "The standard input is closed. Pipe a tap into it, or name a file: --input FILE."
            )
        return sys.stdin.buffer

    def process_lines(
        self,
        file_input: IO[bytes] | None,
        callbacks: dict[str, Callable[[Any], None]],
    ) -> Counter[str]:
        """Read until the end of the input or until `stopped` is set.

        Raises:
            InputError: a line is not a Singer message; the error contains only its number.
        """
        counts = dict.fromkeys(callbacks, 0)
        for line in self._lines(file_input or self.default_input):
            self.line_number += 1
            self.line = line
            self.odd = False
            try:
                message: Message | None = decode(line)
            except UNREADABLE:
                message = self._with_care(line)
            if message is not None:
                kind = message.type
                if kind in callbacks:
                    callbacks[kind](message)
                    counts[kind] += 1
                else:
                    self._unknown(kind)
            if self.stopped:
                break
        return +Counter(counts)

    def _lines(self, stream: IO[bytes]) -> Iterator[bytes]:
        parts: list[bytes] = []
        length = 0
        whole = _size(stream)
        for chunk in _chunks(stream):
            if whole:
                self.size = ((self.size or (0, 0))[0] + len(chunk), whole)
            self.tick()
            if self.stopped:
                return
            if not chunk:
                continue
            lines = BytesIO(chunk).readlines()  # several times faster than `split`
            is_ended = lines[0].endswith(b"\n")
            parts.append(lines[0])
            length += len(lines[0])
            if length - is_ended > LONGEST_LINE:
                raise InputError(
                    f"Line {self.line_number + 1} is longer than {LONGEST_LINE // MIB} MiB, the bound of its "
                    "memory. What came before it is finished and confirmed; correct the tap and run again."
                )
            if not is_ended:
                continue
            lines[0] = b"".join(parts)
            parts = [] if chunk.endswith(b"\n") else [lines.pop()]
            length = sum(map(len, parts))
            yield from lines
        last = b"".join(parts)
        if last and not self._is_torn(last):
            yield last

    def _is_torn(self, line: bytes) -> bool:
        """Return whether a last line without a line break is that of a rejects file, and cut off."""
        try:
            msgspec.json.decode(line)
        except (msgspec.DecodeError, RecursionError):
            if self.tolerates_torn_end:
                self.warn(f"Line {self.line_number + 1} is cut off: passed over in a rejects file.")
            return self.tolerates_torn_end
        return False

    def deserialize_json(self, line: bytes) -> dict[str, Any]:
        """Decode one line to plain objects."""
        decoded: dict[str, Any] = msgspec.json.decode(line)
        return decoded

    def _with_care(self, line: bytes) -> Message | None:
        """Decode what the strict decoder refused: blank lines, a BOM, NaN, lone surrogates."""
        if self.line_number == 1 and line.startswith(BOM):
            line = self.line = line[len(BOM) :]
        if not line.strip(BLANK):
            return None
        hint = f" {ROWS_HINT}" if self.line_number == 1 else ""  # it may begin with something else
        try:
            message, self.line = odd_message(line)
        except msgspec.ValidationError as error:
            raise InputError(
                f"Line {self.line_number} of the input is not a Singer message: {_what_is_wrong(error)}. "
                f"Correct the tap and run again.{hint}"
            ) from None
        except ValueError:
            raise InputError(
                f"Line {self.line_number} of the input is not JSON in UTF-8, or it is cut off. "
                f"What came before it is finished and confirmed; correct the tap and run again.{hint}"
            ) from None
        self.odd = True
        return message

    def incomplete(self, kind: str, needed: str) -> InputError:
        """Return the error for a message that lacks what its type needs."""
        return InputError(
            f"Line {self.line_number} is a {kind} message without `{needed}`. Correct the tap and run again."
        )

    def _unknown(self, kind: str) -> None:
        if kind not in self._unknown_types:
            hint = f" {ROWS_HINT}" if not self._unknown_types and kind in SEGMENT_TYPES else ""
            self._unknown_types.add(kind)
            self.warn(f"Messages of type '{clean(kind, 40)}' are ignored.{hint}")


def _what_is_wrong(error: msgspec.ValidationError) -> str:
    """Name the key of a message that is missing or of the wrong type; its value is never shown."""
    found = WRONG_KEY.fullmatch(str(error))
    if found is None:
        return "it is a JSON object without `type`" if "`type`" in str(error) else "it is not a JSON object"
    return f"its `{found['key']}` is {found['got']} instead of {found['expected'].removesuffix(' | null')}"


def _chunks(stream: IO[Any]) -> Iterator[bytes]:
    """Yield what is available, and an empty chunk now and then while nothing arrives."""
    stream = getattr(stream, "buffer", stream)
    try:
        descriptor = stream.fileno()
        select.select([descriptor], [], [], 0)
    except (OSError, ValueError, AttributeError):
        yield from _read_whole(stream)
        return
    while True:
        if not select.select([descriptor], [], [], TICK_SECONDS)[0]:
            yield b""
            continue
        chunk = os.read(descriptor, CHUNK)
        if not chunk:
            return
        yield chunk


def _read_whole(stream: IO[Any]) -> Iterator[bytes]:
    """Yield the chunks of a stream that is not a file, such as those in tests."""
    while chunk := stream.read(CHUNK):
        yield chunk.encode() if isinstance(chunk, str) else chunk


def _size(stream: IO[bytes]) -> int:
    """Return the size of a file in bytes; 0 for a pipe."""
    try:
        return os.fstat(stream.fileno()).st_size
    except (OSError, ValueError, AttributeError):
        return 0
