"""Records in files: the manifests of BATCH messages, and archives; row by row, never a whole file."""

from __future__ import annotations

import json
import math
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final, TypeVar

import msgspec

from target_batch.common.errors import ConfigurationError, InputError, StopRun
from target_batch.common.redaction import clean
from target_batch.singer.csv_rows import Table
from target_batch.singer.messages import record_in, record_line
from target_batch.singer.reader import BOM

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

PARQUET_ROWS: Final = 2000
"""Rows of a Parquet file that are in memory at once, beside their row group's columns."""

Row = TypeVar("Row")

COMPRESSIONS: Final = {"none": None, "": None, "gzip": "gzip"}

SIGNS: Final = (b"NaN", b"Infinity", b"\\ud", b"\\uD")
"""What a row may hold that is not strict JSON: numbers that are none, halves of surrogate pairs."""

RECORD: Final = b'{"type":"RECORD","record":'


class OddLine(bytes):
    """A RECORD line made strict of a row that is not; `record` is the row as it was, to be judged."""

    record: dict[str, Any]


def lines(
    uri: str, encoding: dict[str, Any], line_number: int | None, at: Callable[[int], None] = lambda _: None
) -> Iterator[bytes]:
    """Give the rows of a file as RECORD lines.

    Args:
        uri: a path, `file://…`, or any URL that fsspec knows.
        encoding: `format` (`jsonl`, `parquet`) and `compression` (`gzip`, `none`), as BATCH says.
        line_number: the input line that names the file, for errors; None where no line does.
        at: hears now and then at which byte of the file the reading is.

    Raises:
        InputError: the file cannot be read, or a row of it is no JSON object.
        ConfigurationError: a package for its format or place is missing.
    """
    kind = encoding.get("format")
    compression = encoding.get("compression") or "none"
    whence = described(uri, line_number)
    if kind not in READERS or compression not in COMPRESSIONS:
        raise InputError(
            f"{whence[0].upper()}{whence[1:]} is of format '{clean(kind, 30)}' and compression "
            f"'{clean(compression, 30)}'. Formats are jsonl and parquet, compressions gzip and none."
        )
    yield from _reading(READERS[kind](uri, COMPRESSIONS[compression], whence, at), whence)


def csv_rows(uri: str, at: Callable[[int], None] = lambda _: None) -> Iterator[dict[str, str]]:
    """Give the rows of a CSV file, every cell as text; where a name ends with `.gz` it is unpacked.

    Raises:
        InputError: the file cannot be read, or is not CSV in UTF-8.
        ConfigurationError: a package for its place is missing.
    """
    whence = described(uri, None)
    yield from _reading(_csv(uri, "gzip" if uri.endswith(".gz") else None, whence, at), whence)


def _reading(rows: Iterator[Row], whence: str) -> Iterator[Row]:
    """Give what a reader gives; its errors say which file it is about.

    Raises:
        InputError: the file cannot be read.
        ConfigurationError: a package for its format or place is missing.
    """
    try:
        yield from rows
    except StopRun:
        raise
    except ImportError:
        raise ConfigurationError(
            f"The format or place of {whence} needs a package that is missing: "
            "pip install 'target-batch[parquet]' for Parquet, s3fs or gcsfs for object storage."
        ) from None
    except Exception as error:  # noqa: BLE001 - every storage and format has errors of its own
        raise InputError(
            f"{whence[0].upper()}{whence[1:]} cannot be read ({type(error).__name__}). What came before "
            "it is finished and confirmed; see that the file is whole and within reach, and run again."
        ) from None


def described(uri: str, line_number: int | None) -> str:
    """Name a file for an error: by the line that names it, or by itself."""
    return f"file '{clean(uri, 200)}'" if line_number is None else f"a file that line {line_number} names"


def _jsonl(uri: str, compression: str | None, whence: str, at: Callable[[int], None]) -> Iterator[bytes]:
    import fsspec  # noqa: PLC0415 - only those who read files pay for it

    opened = fsspec.open(uri, "rb", compression=compression)
    with opened as file:
        for row, line in enumerate(file, start=1):
            text = line.removeprefix(BOM).strip() if row == 1 else line.strip()
            if not text:
                continue
            if not text.startswith(b"{"):
                raise InputError(f"Row {row} of {whence} is no JSON object.")
            if row % PARQUET_ROWS == 0:
                at(opened.fobjects[0].tell())
            yield _line(text)


def csv_names(uri: str) -> list[str]:
    """Return the names of a CSV file's columns; raises as `csv_rows`."""
    import fsspec  # noqa: PLC0415 - only those who read files pay for it

    whence = described(uri, None)

    def head() -> Iterator[str]:
        with fsspec.open(uri, "rb", compression="gzip" if uri.endswith(".gz") else None) as file:
            yield from Table(file, whence).names

    return list(_reading(head(), whence))


def _csv(
    uri: str, compression: str | None, whence: str, at: Callable[[int], None]
) -> Iterator[dict[str, str]]:
    import fsspec  # noqa: PLC0415 - only those who read files pay for it

    opened = fsspec.open(uri, "rb", compression=compression)
    with opened as file:
        for number, (row, _) in enumerate(Table(file, whence), start=1):
            if number % PARQUET_ROWS == 0:
                at(opened.fobjects[0].tell())
            yield row


def is_csv(uri: str) -> bool:
    """Tell whether a file's name says that it is CSV: `.csv` or `.tsv`, plain or with `.gz` behind it."""
    return uri.lower().removesuffix(".gz").endswith((".csv", ".tsv"))


def _parquet(uri: str, compression: str | None, whence: str, at: Callable[[int], None]) -> Iterator[bytes]:
    import fsspec  # noqa: PLC0415 - only those who read files pay for it
    import pyarrow.parquet  # noqa: PLC0415 - an extra

    del compression, whence  # of the columns, which Parquet knows by itself
    with fsspec.open(uri, "rb") as file:
        for batch in pyarrow.parquet.ParquetFile(file).iter_batches(batch_size=PARQUET_ROWS):
            at(file.tell())
            for row in batch.to_pylist():
                plain = _plain(row)
                yield _odd(plain) if _is_odd(plain) else record_line(plain)


def _plain(value: Any) -> Any:
    """Make what Parquet holds and JSON does not plain: dates and times as ISO text."""
    if isinstance(value, dict):
        return {str(name): _plain(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return value.isoformat() if hasattr(value, "isoformat") else value


def _line(text: bytes) -> bytes:
    """Make a RECORD line of a row's text; a row that cannot be read at all is left to `decoded`."""
    line = RECORD + text + b"}"
    if any(sign in text for sign in SIGNS):
        try:
            record_in(line)
        except (msgspec.DecodeError, RecursionError):
            try:
                return _odd(json.loads(text, parse_float=Decimal))
            except (ValueError, RecursionError):
                return line
    return line


def _odd(record: dict[str, Any]) -> OddLine:
    line = OddLine(record_line(_finite(record)))
    line.record = record
    return line


def _is_odd(value: Any) -> bool:
    if isinstance(value, dict):
        return any(map(_is_odd, value.values()))
    if isinstance(value, list):
        return any(map(_is_odd, value))
    return isinstance(value, float) and not math.isfinite(value)


def _finite(value: Any) -> Any:
    """Write numbers that are none out as text: encoded as null they would delete something."""
    if isinstance(value, dict):
        return {name: _finite(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_finite(item) for item in value]
    return str(value) if _is_odd(value) else value


def encoding_of(uri: str) -> dict[str, Any]:
    """Tell a file's encoding from its name: `.parquet`, and `.gz` or plain JSON lines."""
    if uri.endswith(".parquet"):
        return {"format": "parquet"}
    return {"format": "jsonl", "compression": "gzip" if uri.endswith(".gz") else "none"}


READERS: Final = {"jsonl": _jsonl, "parquet": _parquet}


def decoded(line: bytes, line_number: int | None, row: int, uri: str = "") -> dict[str, Any]:
    """Decode the record of a line that `lines` gave.

    Raises:
        InputError: it is no JSON in UTF-8.
    """
    if isinstance(line, OddLine):
        return line.record
    try:
        return record_in(line)
    except (msgspec.DecodeError, RecursionError):
        raise InputError(
            f"Row {row} of {described(uri, line_number)} is not JSON in UTF-8. What came before it is "
            "finished and confirmed; correct the file and run again."
        ) from None
