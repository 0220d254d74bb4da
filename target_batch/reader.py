"""Singer lines in, as bytes and fast; a signal means "end of input", an idle tap gets a tick."""

from __future__ import annotations

import json
import math
import os
import re
import select
import sys
from collections import Counter
from decimal import Decimal
from functools import partial
from typing import IO, TYPE_CHECKING, Any, Final, Literal, TypeAlias

import msgspec
from singer_sdk.singerlib.encoding.base import GenericSingerReader

from target_batch.errors import InputError
from target_batch.redaction import clean

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

CHUNK: Final = 256 * 1024
TICK_SECONDS: Final = 0.2
BOM: Final = b"\xef\xbb\xbf"
SURROGATES: Final = re.compile("[\ud800-\udfff]")
BLANK: Final = b" \t\r"


class Message(msgspec.Struct):
    """One Singer message; `value` is kept as the bytes it came in."""

    type: str
    stream: str | None = None
    record: dict[str, Any] | None = None
    schema: dict[str, Any] | None = None
    key_properties: list[str] | None = None
    value: msgspec.Raw = msgspec.Raw()
    version: Any = None
    encoding: dict[str, Any] | None = None
    manifest: list[str] | None = None


def decimal_in(text: str) -> Decimal:
    """Return a number with every digit.

    Raises:
        ValueError: its exponent is beyond what any program can hold.
    """
    try:
        return Decimal(text)
    except ArithmeticError:
        raise ValueError from None


def _or_nan(read: Callable[[str], Any]) -> Callable[[str], Any]:
    """Return what reads a number, and NaN for one that is too much for it: that is refused alone."""

    def number(text: str) -> Any:
        try:
            return read(text)
        except ValueError:
            return math.nan

    return number


Reading: TypeAlias = "Callable[[bytes], Any]"


def line_reader(stream: str, structure: type[msgspec.Struct]) -> Reading:
    """Return what reads RECORD lines of one stream, whose records fit a structure.

    It raises `msgspec.ValidationError` for every other line.
    """
    fields = [("type", Literal["RECORD"]), ("stream", Literal[stream]), ("record", structure)]
    line = msgspec.defstruct("Line", fields, gc=False)
    return msgspec.json.Decoder(line, float_hook=decimal_in).decode


_encode: Final = msgspec.json.Encoder(decimal_format="number").encode
_decode: Final = msgspec.json.Decoder(Message, float_hook=decimal_in).decode


_loads: Final = partial(json.loads, parse_float=_or_nan(decimal_in), parse_int=_or_nan(int))


def record_in(source: bytes) -> dict[str, Any]:
    """Decode the record of a RECORD line again."""
    return _decode(source).record or {}


def is_utf8(value: bytes) -> bool:
    """Whether bytes are UTF-8: what a message keeps as bytes is not checked by its decoder."""
    try:
        value.decode()
    except UnicodeDecodeError:
        return False
    return True


def record_line(record: dict[str, Any], *, odd: bool = False) -> bytes:
    """Encode a record that stream maps have changed, so that `record_in` finds it again.

    `odd` records may hold NaN, which would become null, and null deletes.
    """
    message = {"type": "RECORD", "record": record}
    if odd:
        return _encode(_representable(message))
    try:
        return _encode(message)
    except UnicodeEncodeError:
        return _encode(_representable(message))


def without_utf8(record: dict[str, Any]) -> list[str]:
    """Return the properties that hold text, at any depth, which has no UTF-8 form."""
    return [name for name, value in record.items() if _is_broken(value)]


def no_express(line: bytes, number: int) -> bool:
    """Take no line in: all are decoded."""
    del line, number
    return False


class LineReader(GenericSingerReader[bytes]):
    """Hands every message to its callback; `line` and `line_number` tell what is being read.

    `odd` tells that the line was not strict JSON, so its record may hold NaN or half a surrogate pair.
    `size` is (bytes read, bytes in all) where the input is a file, None where nobody knows the end.
    `express` takes a line with its number in at once, if it can: it is asked before a line is decoded.
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
        self.express: Callable[[bytes, int], bool] = no_express
        self._unknown_types: set[str] = set()

    @property
    def default_input(self) -> IO[bytes]:
        """Standard input, as bytes: text would follow the locale.

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
            InputError: a line is not a Singer message; the error names its number only.
        """
        stats: Counter[str] = Counter()
        taken = 0
        for line in self._lines(file_input or self.default_input):
            self.line_number = number = self.line_number + 1
            if self.express(line, number):
                taken += 1
            elif (message := self._message(line)) is not None:
                callback = callbacks.get(message.type)
                if callback is None:
                    self._unknown(message.type)
                else:
                    callback(message)
                    stats[message.type] += 1
            if self.stopped:
                break
        stats["RECORD"] += taken
        return stats

    def _message(self, line: bytes) -> Message | None:
        """Decode a line; None for one that says nothing."""
        self.line = line
        self.odd = False
        try:
            return _decode(line)
        except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
            return self._with_care(line)

    def _lines(self, stream: IO[bytes]) -> Iterator[bytes]:
        parts: list[bytes] = []
        whole = _size(stream)
        for chunk in _chunks(stream):
            if whole:
                self.size = ((self.size or (0, 0))[0] + len(chunk), whole)
            self.tick()
            if self.stopped:
                return
            if not chunk:
                continue
            first, *rest = chunk.split(b"\n")
            parts.append(first)
            if not rest:
                continue
            yield b"".join(parts)
            parts = [rest.pop()]
            yield from rest
        last = b"".join(parts)
        if last:
            yield from self._last(last)

    def _last(self, line: bytes) -> Iterator[bytes]:
        """A last line without a line break is complete, or it is where the tap died."""
        try:
            msgspec.json.decode(line)
        except (msgspec.DecodeError, RecursionError):
            if self.tolerates_torn_end:
                self.warn(f"Line {self.line_number + 1} is cut off: passed over in a rejects file.")
                return
        yield line

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
        try:
            plain = _loads(line.decode("utf-8"))
            self.line = _encode(_representable(plain))
        except (ValueError, TypeError, RecursionError):
            raise InputError(
                f"Line {self.line_number} of the input is not JSON in UTF-8, or it is cut off. "
                "What came before it is finished and confirmed; correct the tap and run again."
            ) from None
        try:
            message = _decode(self.line)
        except msgspec.ValidationError:
            raise InputError(
                f"Line {self.line_number} of the input is no Singer message: it lacks `type`, or a "
                "key has the wrong type. Correct the tap and run again."
            ) from None
        self.odd = True
        if message.record is not None:
            message.record = plain["record"]
        return message

    def incomplete(self, kind: str, needed: str) -> InputError:
        """Make the error for a message that lacks what its type needs."""
        return InputError(
            f"Line {self.line_number} is a {kind} message without {needed}. Correct the tap and run again."
        )

    def _unknown(self, kind: str) -> None:
        if kind not in self._unknown_types:
            self._unknown_types.add(kind)
            self.warn(f"Messages of type '{clean(kind, 40)}' are ignored.")


def _is_broken(value: Any) -> bool:
    if isinstance(value, str):
        return SURROGATES.search(value) is not None
    if isinstance(value, dict):
        return any(_is_broken(name) or _is_broken(item) for name, item in value.items())
    return isinstance(value, list) and any(map(_is_broken, value))


def _representable(value: Any) -> Any:
    """Make what Python's JSON lets through strict: lone surrogates → U+FFFD, NaN → its name."""
    if isinstance(value, str):
        return SURROGATES.sub("\ufffd", value)
    if isinstance(value, dict):
        return {_representable(key): _representable(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_representable(item) for item in value]
    if isinstance(value, float):
        return str(value)
    return value


def _chunks(stream: IO[bytes]) -> Iterator[bytes]:
    """Yield what is there, and an empty chunk now and then while nothing comes."""
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
    """Read a stream that is no file, as tests hand them in."""
    while chunk := stream.read(CHUNK):
        yield chunk.encode() if isinstance(chunk, str) else chunk


def _size(stream: IO[bytes]) -> int:
    """Return the bytes of a file, 0 for a pipe."""
    try:
        return os.fstat(stream.fileno()).st_size
    except (OSError, ValueError, AttributeError):
        return 0
