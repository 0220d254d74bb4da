"""Records in files: the manifests of BATCH messages, and archives; row by row, never a whole file."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import msgspec

from target_batch.errors import ConfigurationError, InputError
from target_batch.reader import record_in, record_line
from target_batch.redaction import clean

if TYPE_CHECKING:
    from collections.abc import Iterator

PARQUET_ROWS: Final = 2000
"""Rows of a Parquet file that are in memory at once, beside their row group's columns."""

COMPRESSIONS: Final = {"none": None, "": None, "gzip": "gzip"}


def lines(uri: str, encoding: dict[str, Any], line_number: int) -> Iterator[bytes]:
    """Give the rows of a file as RECORD lines.

    Args:
        uri: a path, `file://…`, or any URL that fsspec knows.
        encoding: `format` (`jsonl`, `parquet`) and `compression` (`gzip`, `none`), as BATCH says.
        line_number: the input line that names the file, for errors.

    Raises:
        InputError: the file cannot be read, or a row of it is no JSON object.
        ConfigurationError: a package for its format or place is missing.
    """
    kind = encoding.get("format")
    compression = encoding.get("compression") or "none"
    if kind not in READERS or compression not in COMPRESSIONS:
        raise InputError(
            f"Line {line_number} names files of format '{clean(kind, 30)}' and compression "
            f"'{clean(compression, 30)}'. Formats are jsonl and parquet, compressions gzip and none."
        )
    try:
        yield from READERS[kind](uri, COMPRESSIONS[compression], line_number)
    except (OSError, EOFError) as error:
        raise InputError(
            f"A file that line {line_number} names cannot be read ({type(error).__name__}). What came before "
            "it is finished and confirmed; see that the file is whole and within reach, and run again."
        ) from None
    except ImportError:
        raise ConfigurationError(
            f"Line {line_number} names a file whose format or place needs a package that is missing: "
            "pip install 'target-batch[parquet]' for Parquet, s3fs or gcsfs for object storage."
        ) from None


def _jsonl(uri: str, compression: str | None, line_number: int) -> Iterator[bytes]:
    import fsspec  # noqa: PLC0415 - only those who read files pay for it

    with fsspec.open(uri, "rb", compression=compression) as file:
        for row, line in enumerate(file, start=1):
            text = line.strip()
            if not text:
                continue
            if not text.startswith(b"{"):
                raise InputError(f"Row {row} of a file that line {line_number} names is no JSON object.")
            yield b'{"type":"RECORD","record":' + text + b"}"


def _parquet(uri: str, compression: str | None, line_number: int) -> Iterator[bytes]:
    import fsspec  # noqa: PLC0415 - only those who read files pay for it
    import pyarrow.parquet  # noqa: PLC0415 - an extra

    del compression, line_number  # of the columns, which Parquet knows by itself
    with fsspec.open(uri, "rb") as file:
        for batch in pyarrow.parquet.ParquetFile(file).iter_batches(batch_size=PARQUET_ROWS):
            for row in batch.to_pylist():
                yield record_line(_plain(row))


def _plain(value: Any) -> Any:
    """Make what Parquet holds and JSON does not plain: dates and times as ISO text."""
    if isinstance(value, dict):
        return {str(name): _plain(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return value.isoformat() if hasattr(value, "isoformat") else value


def encoding_of(uri: str) -> dict[str, Any]:
    """Tell a file's encoding from its name: `.parquet`, and `.gz` or plain JSON lines."""
    if uri.endswith(".parquet"):
        return {"format": "parquet"}
    return {"format": "jsonl", "compression": "gzip" if uri.endswith(".gz") else "none"}


READERS: Final = {"jsonl": _jsonl, "parquet": _parquet}


def decoded(line: bytes, line_number: int, row: int) -> dict[str, Any]:
    """Decode the record of a line that `lines` gave.

    Raises:
        InputError: it is no JSON in UTF-8.
    """
    try:
        return record_in(line)
    except (msgspec.DecodeError, RecursionError):
        raise InputError(
            f"Row {row} of a file that line {line_number} names is not JSON in UTF-8. What came before it is "
            "finished and confirmed; correct the file and run again."
        ) from None
