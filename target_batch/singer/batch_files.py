"""Records in the files of BATCH messages and of archives, read row by row, never a whole file at once."""

from __future__ import annotations

import math
from datetime import timedelta
from itertools import count
from typing import IO, TYPE_CHECKING, Any, Final, TypeVar
from uuid import UUID

import msgspec

from target_batch.common.errors import ConfigurationError, InputError, StopRun
from target_batch.common.limits import MIB
from target_batch.common.plain_text import counted
from target_batch.common.redaction import clean
from target_batch.singer.messages import RecordLine, record_line, row_in, row_line
from target_batch.singer.packed_files import (
    PACKED_NAMES,
    PARQUET,
    first_bytes,
    is_whole,
    opened,
    packing_of,
    unpacked,
)
from target_batch.singer.parquet import rows_of
from target_batch.singer.reader import BOM, LONGEST_LINE
from target_batch.singer.rows import Table

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

Given = TypeVar("Given")

TOLD_AFTER: Final = 2000
"""Rows of a text file between two reports of the position in it."""


class OddLine(bytes):
    """A RECORD line of a Parquet row that JSON cannot hold; `record` is the row itself, to be validated."""

    record: dict[str, Any]


def lines(
    uri: str,
    encoding: Mapping[str, Any],
    line_number: int | None,
    *,
    goes_on: Callable[[], bool] = lambda: True,
    at: Callable[[int], None] = lambda _: None,
) -> Iterator[bytes]:
    """Yield the rows of a file as RECORD lines.

    JSON lines (plain, gzip, zstd, bzip2, xz) and Parquet are recognised by the file's first bytes. All
    checksums of a compressed file are verified before its first row is yielded.

    Args:
        uri: a path, `file://…`, or any URL that fsspec supports.
        encoding: `format` and `compression` of the BATCH message; used only to judge an empty file.
        line_number: the input line that names the file, for errors; None if there is none.
        goes_on: called now and then while a compressed file is checked; False ends it without a row.
        at: called now and then with the position in the file, in bytes.

    Raises:
        InputError: the file cannot be read, or a row of it is not a JSON object.
        ConfigurationError: a package for its format or storage is missing.
    """
    whence = described(uri, line_number)
    yield from _reading(_rows(uri, encoding, whence, goes_on, at), whence)


def csv_rows(
    uri: str, *, goes_on: Callable[[], bool] = lambda: True, at: Callable[[int], None] = lambda _: None
) -> Iterator[dict[str, str]]:
    """Yield the rows of a CSV file, every cell as text; arguments and errors are those of `lines`."""
    whence = described(uri, None)
    yield from _reading(_csv(uri, whence, goes_on, at), whence)


def csv_names(uri: str) -> list[str]:
    """Return the names of a CSV file's columns; errors are those of `csv_rows`."""
    whence = described(uri, None)

    def head() -> Iterator[str]:
        with opened(uri) as packed, unpacked(packed, packing_of(first_bytes(uri))) as file:
            yield from Table(file, whence).names

    return list(_reading(head(), whence))


def is_csv(uri: str) -> bool:
    """Return whether a file's name says that it is CSV, plain or compressed, and it is not Parquet."""
    name = uri.lower()
    for packed in PACKED_NAMES:
        name = name.removesuffix(packed)
    if not name.endswith((".csv", ".tsv")):
        return False
    return not next(_reading(map(first_bytes, [uri]), described(uri, None))).startswith(PARQUET)


def _reading(rows: Iterator[Given], whence: str) -> Iterator[Given]:
    """Yield what a reader yields; turn its errors into ones that name the file.

    Raises:
        InputError: the file cannot be read.
        ConfigurationError: a package for its format or storage is missing.
    """
    given = 0
    try:
        for row in rows:
            given += 1
            yield row
    except StopRun:
        raise
    except ImportError:
        raise ConfigurationError(
            f"The format or place of {whence} needs a package that is missing: "
            "pip install 'target-batch[parquet]' for Parquet and zstd, s3fs or gcsfs for object storage."
        ) from None
    except Exception as error:  # noqa: BLE001 - every storage and format has errors of its own
        read = f"Its first {counted(given, 'row')} went out" if given else "Nothing of it is sent"
        begin = f"{whence[0].upper()}{whence[1:]}"
        raise InputError(
            f"{begin} cannot be read to its end ({type(error).__name__}). {read}; what came before it is "
            "finished and confirmed. See that the file is whole and within reach, and run again."
        ) from None


def _rows(
    uri: str,
    encoding: Mapping[str, Any],
    whence: str,
    goes_on: Callable[[], bool],
    at: Callable[[int], None],
) -> Iterator[bytes]:
    first = first_bytes(uri)
    if not first and not _is_plain(encoding):
        raise EOFError
    if first.startswith(PARQUET):
        yield from _parquet(uri, at)
    elif is_whole(uri, first, goes_on):
        yield from _jsonl(uri, packing_of(first), whence, at)


def _is_plain(encoding: Mapping[str, Any]) -> bool:
    """Return whether a file of this encoding may be empty: only uncompressed JSON lines may."""
    return encoding.get("format") != "parquet" and (encoding.get("compression") or "none") == "none"


def described(uri: str, line_number: int | None) -> str:
    """Describe a file for an error, by the input line that names it or by its own name."""
    return f"file '{clean(uri, 200)}'" if line_number is None else f"a file that line {line_number} names"


def _jsonl(uri: str, packing: str | None, whence: str, at: Callable[[int], None]) -> Iterator[bytes]:
    with opened(uri) as packed, unpacked(packed, packing) as file:
        for row, line in enumerate(_lines_of(file, whence), start=1):
            text = line.removeprefix(BOM).strip() if row == 1 else line.strip()
            if not text:
                continue
            if not text.startswith(b"{"):
                raise InputError(
                    f"Row {row} of {whence} is not a JSON object. Files hold JSON lines (plain, gzip, zstd, "
                    "bzip2 or xz) or Parquet, recognised by their first bytes; `replay` takes CSV too, "
                    "where the name ends in .csv or .tsv."
                )
            if row % TOLD_AFTER == 0:
                at(packed.tell())
            yield row_line(text)


def _lines_of(file: IO[bytes], whence: str) -> Iterator[bytes]:
    """Yield the lines of a file, each within the limit for lines of the input."""
    for row in count(1):
        line = file.readline(LONGEST_LINE + 1)
        if len(line) > LONGEST_LINE:
            raise InputError(
                f"Line {row} of {whence} is longer than {LONGEST_LINE // MIB} MiB, the bound of its memory. "
                "What came before it is finished and confirmed; correct the file and run again."
            )
        if not line:
            return
        yield line


def _csv(
    uri: str, whence: str, goes_on: Callable[[], bool], at: Callable[[int], None]
) -> Iterator[dict[str, str]]:
    first = first_bytes(uri)
    if not is_whole(uri, first, goes_on):
        return
    with opened(uri) as packed, unpacked(packed, packing_of(first)) as file:
        for number, (row, _) in enumerate(Table(_lines_of(file, whence), whence), start=1):
            if number % TOLD_AFTER == 0:
                at(packed.tell())
            yield row


def _parquet(uri: str, at: Callable[[int], None]) -> Iterator[bytes]:
    with opened(uri) as file:
        for rows in rows_of(file):
            at(file.tell())
            for row in rows:
                plain = _plain(row)
                yield _odd(plain) if _is_odd(plain) else record_line(plain)


def _plain(value: Any) -> Any:
    """Convert values of Parquet that JSON lacks: dates and times to ISO text, bytes to text."""
    if isinstance(value, dict):
        return {str(name): _plain(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    if isinstance(value, bytes):
        return _text_in(value)
    if isinstance(value, timedelta | UUID):
        return msgspec.to_builtins(value)
    return value.isoformat() if hasattr(value, "isoformat") else value


def _text_in(value: bytes) -> str | bytes:
    """Return the text that old Parquet writers store as bytes; return other bytes as they are."""
    try:
        return value.decode()
    except UnicodeDecodeError:
        return value


def _odd(record: dict[str, Any]) -> OddLine:
    line = OddLine(record_line(_finite(record)))
    line.record = record
    return line


def _is_odd(value: Any) -> bool:
    if isinstance(value, dict):
        return any(map(_is_odd, value.values()))
    if isinstance(value, list):
        return any(map(_is_odd, value))
    return isinstance(value, bytes) or (isinstance(value, float) and not math.isfinite(value))


def _finite(value: Any) -> Any:
    """Convert to text what JSON lacks: encoded as null it would delete an attribute."""
    if isinstance(value, dict):
        return {name: _finite(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_finite(item) for item in value]
    if isinstance(value, bytes):
        return "(bytes)"
    return str(value) if _is_odd(value) else value


def decoded(line: bytes, line_number: int | None, row: int, uri: str = "") -> RecordLine:
    """Decode a line that `lines` yielded.

    Raises:
        InputError: it is not JSON in UTF-8.
    """
    if isinstance(line, OddLine):
        return RecordLine(line.record, line, odd=True)
    try:
        return row_in(line)
    except (ValueError, msgspec.DecodeError):
        raise InputError(
            f"Row {row} of {described(uri, line_number)} is not JSON in UTF-8. What came before it is "
            "finished and confirmed; correct the file and run again."
        ) from None
