"""Decoding and encoding of Singer messages, including lines that are not strict JSON."""

from __future__ import annotations

import json
import math
import re
from contextlib import suppress
from decimal import Decimal
from functools import partial
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import msgspec

if TYPE_CHECKING:
    from collections.abc import Callable

SURROGATES: Final = re.compile("[\ud800-\udfff]")


class Message(msgspec.Struct, gc=False):
    """One Singer message; `value` keeps its original bytes."""

    type: str
    stream: str | None = None
    record: dict[str, Any] | None = None
    schema: dict[str, Any] | None = None
    key_properties: list[str] | None = None
    value: msgspec.Raw = msgspec.Raw()
    encoding: dict[str, Any] | None = None
    manifest: list[str] | None = None


class RecordLine(NamedTuple):
    """A record, its line as strict JSON, and whether the original line was `odd` (not strict JSON)."""

    record: dict[str, Any]
    line: bytes
    odd: bool


class AlteredLine(bytes):
    """The RECORD line of a record that JSON cannot hold: it has other text in place of NaN, for example."""


UNREADABLE: Final = (msgspec.DecodeError, RecursionError, UnicodeDecodeError, ArithmeticError)
"""Errors of `decode` for a line that needs a second look."""


def _or_nan(read: Callable[[str], Any], text: str) -> Any:
    """Read a number; return NaN for what cannot be read, so that only that value is refused."""
    try:
        return read(text)
    except (ValueError, ArithmeticError):
        return math.nan


def _kind_only(value: Any) -> str:
    """Return a placeholder for a value that JSON lacks, such as a set returned by a stream map."""
    return f"({type(value).__name__})"


_encode: Final = msgspec.json.Encoder(decimal_format="number", enc_hook=_kind_only).encode
decode: Final = msgspec.json.Decoder(Message, float_hook=Decimal).decode
_raw_decode: Final = json.JSONDecoder(parse_float=str, parse_int=str).raw_decode
_loads: Final = partial(json.loads, parse_float=partial(_or_nan, Decimal), parse_int=partial(_or_nan, int))


def record_in(source: bytes) -> dict[str, Any]:
    """Decode the record of a RECORD line again."""
    return decode(source).record or {}


def row_line(text: bytes) -> bytes:
    """Make a RECORD line from a row of JSON lines."""
    return b'{"type":"RECORD","record":' + text + b"}"


def row_in(line: bytes) -> RecordLine:
    """Decode the record of a RECORD line that was made from a row of a file.

    Raises:
        ValueError: it is not JSON in UTF-8 at all.
    """
    try:
        return RecordLine(record_in(line), line, odd=False)
    except UNREADABLE:
        message, strict = odd_message(line)
        return RecordLine(message.record or {}, strict, odd=True)


def row_of(record: dict[str, Any]) -> RecordLine:
    """Make the line of a record that did not come as JSON; it is odd if JSON cannot hold the record."""
    if _is_strict(record):
        with suppress(UnicodeEncodeError):
            return RecordLine(record, _encode({"type": "RECORD", "record": record}), odd=False)
    return RecordLine(record, AlteredLine(record_line(representable(record))), odd=True)


def _is_strict(value: Any) -> bool:
    """Return whether JSON holds a value as it is; the encoder finds text without a UTF-8 form."""
    if isinstance(value, float):
        return math.isfinite(value)
    if isinstance(value, dict):
        return all(map(_is_strict, value.values()))
    return all(map(_is_strict, value)) if isinstance(value, list) else not isinstance(value, bytes)


def record_line(record: dict[str, Any]) -> bytes:
    """Encode a record so that `record_in` finds it again; NaN, which JSON lacks, becomes null."""
    message = {"type": "RECORD", "record": record}
    try:
        return _encode(message)
    except UnicodeEncodeError:
        return _encode(representable(message))


def without_utf8(record: dict[str, Any]) -> list[str]:
    """Return the properties that contain, at any depth, text without a UTF-8 form."""
    return [name for name, value in record.items() if _is_broken(value)]


def odd_message(line: bytes) -> tuple[Message, bytes]:
    """Decode a line that is not strict JSON: NaN, lone surrogates, numbers too large for any program.

    Returns:
        The message, whose record and state keep the odd values, and the line as strict JSON.

    Raises:
        ValueError: it is not JSON in UTF-8 at all.
        msgspec.ValidationError: it is not a Singer message.
    """
    try:
        text = line.decode("utf-8")
        plain = _loads(text)
        finite = representable(plain)
        strict = _encode(finite)
    except (TypeError, RecursionError):
        raise ValueError from None
    message = decode(strict)
    if message.record is not None:
        message.record = plain["record"]
    if message.value:
        message.value = msgspec.Raw(_value_text(text).encode())
    return message, strict if finite == plain else AlteredLine(strict)


def _value_text(message: str) -> str:
    """Return the `value` of a valid message as it is written, with every digit."""
    found, end = "", message.index("{") + 1
    while message[start := _next_token(message, end)] == '"':
        name, end = _raw_decode(message, start)
        start = _next_token(message, end)
        _, end = _raw_decode(message, start)
        if name == "value":
            found = message[start:end]
    return found


def _next_token(text: str, at: int) -> int:
    while text[at] in " \t\r\n:,":
        at += 1
    return at


def _is_broken(value: Any) -> bool:
    if isinstance(value, str):
        return SURROGATES.search(value) is not None
    if isinstance(value, dict):
        return any(_is_broken(name) or _is_broken(item) for name, item in value.items())
    return isinstance(value, list) and any(map(_is_broken, value))


def representable(value: Any) -> Any:
    """Replace what strict JSON lacks: lone surrogates → U+FFFD, NaN, infinities and bytes → their names.

    The encoder would write NaN as null, which deletes an attribute, and bytes as text in base64.
    """
    if isinstance(value, str):
        return SURROGATES.sub("\ufffd", value)
    if isinstance(value, dict):
        return {representable(key): representable(item) for key, item in value.items()}
    if isinstance(value, list):
        return [representable(item) for item in value]
    if isinstance(value, bytes):
        return _kind_only(value)
    return str(value) if isinstance(value, float) and not math.isfinite(value) else value
