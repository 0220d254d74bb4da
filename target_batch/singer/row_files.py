"""Files of rows, those of BATCH messages and archives: read row by row, never a whole file at once."""

from __future__ import annotations

import io
from contextlib import contextmanager, suppress
from datetime import timedelta
from itertools import count, islice
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Final
from urllib.parse import unquote
from uuid import UUID

import msgspec

from target_batch.common.errors import ConfigurationError, InputError, StopRun
from target_batch.common.limits import MIB
from target_batch.common.plain_text import counted
from target_batch.common.redaction import clean
from target_batch.singer.messages import AlteredLine, RecordLine, row_in, row_line, row_of
from target_batch.singer.reader import BOM, LONGEST_LINE
from target_batch.singer.rows import Table

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

PARQUET: Final = b"PAR1"
PACKINGS: Final = {b"\x1f\x8b": "gzip", b"\x28\xb5\x2f\xfd": "zstd", b"BZh": "bz2", b"\xfd7zXZ\x00": "xz"}
"""First bytes → compression: file names and labels are often wrong, first bytes are not."""

PACKED_NAMES: Final = (".gz", ".zst", ".bz2", ".xz", ".parquet")
CHUNK: Final = 1024 * 1024

REPORT_EVERY: Final = 2000
"""Lines of a text file between two reports of the position in it."""

PARQUET_ROWS: Final = 2000
"""Rows that are in memory at once, in addition to the columns of their row group."""


class OddLine(AlteredLine):
    """That of a Parquet row; `record` is the row itself, to be validated."""

    record: dict[str, Any]


class RowFile:
    """A file of JSON lines (plain, gzip, zstd, bzip2, xz), Parquet or CSV, read row by row.

    All but CSV are recognised by their first bytes. All checksums of a compressed file are verified before
    its first row is yielded. Every method may raise the same errors.

    Args:
        uri: a path, `file://…`, or any URL that fsspec supports.
        line_number: the input line that names the file, for errors; None if there is none.
        goes_on: called now and then while a compressed file is checked; False ends it without a row.
        at: called now and then with the position in the file, in bytes.

    Raises:
        InputError: the file cannot be read, or a row of it is not what its format requires.
        ConfigurationError: a package for its format or storage is missing.
    """

    def __init__(
        self,
        uri: str,
        line_number: int | None = None,
        *,
        goes_on: Callable[[], bool] = lambda: True,
        at: Callable[[int], None] = lambda _: None,
    ) -> None:
        self.uri = uri
        named = line_number is not None
        self._name = f"a file that line {line_number} names" if named else f"file '{clean(uri, 200)}'"
        self._goes_on = goes_on
        self._at = at
        self._given = 0

    def lines(self, encoding: Mapping[str, Any]) -> Iterator[bytes]:
        """Yield the rows of JSON lines or Parquet as RECORD lines.

        `encoding` is that of the BATCH message. It only serves to judge an empty file, which is right for
        uncompressed JSON lines alone.
        """
        with self._errors_named():
            first = self._first_bytes()
            is_plain = (encoding.get("compression") or "none") == "none"
            if not first and not (is_plain and encoding.get("format") != "parquet"):
                raise EOFError
            for line in self._parquet() if first.startswith(PARQUET) else self._json_lines(first):
                self._given += 1
                yield line

    def csv_rows(self) -> Iterator[dict[str, str]]:
        """Yield the rows of CSV, every cell as text."""
        with self._errors_named():
            for row, _ in Table(self._text_lines(self._first_bytes()), self._name):
                self._given += 1
                yield row

    def head(self, most: int) -> tuple[list[str], list[dict[str, str]]]:
        """Return the names of the columns of CSV, and at most `most` of its first rows."""
        with self._errors_named():
            table = Table(self._text_lines(self._first_bytes()), self._name)
            return table.names, [row for row, _ in islice(table, most)]

    @property
    def is_csv(self) -> bool:
        """Whether the file's name says that it is CSV, plain or compressed, and it is not Parquet."""
        name = self.uri.lower()
        for ending in PACKED_NAMES:
            name = name.removesuffix(ending)
        if not name.endswith((".csv", ".tsv")):
            return False
        with self._errors_named():
            return not self._first_bytes().startswith(PARQUET)

    def decoded(self, line: bytes, row: int) -> RecordLine:
        """Decode a line that `lines` yielded as the row of this number."""
        if isinstance(line, OddLine):
            return RecordLine(line.record, line, odd=True)
        try:
            return row_in(line)
        except (ValueError, msgspec.DecodeError):
            raise InputError(
                f"Row {row} of {self._name} is not JSON in UTF-8. What came before it is "
                "finished and confirmed; correct the file and run again."
            ) from None

    @contextmanager
    def _errors_named(self) -> Iterator[None]:
        """Turn errors of storages and formats into ones that name the file."""
        try:
            yield
        except StopRun:
            raise
        except ImportError:
            raise ConfigurationError(
                f"The format or place of {self._name} needs a package that is missing: "
                "pip install 'target-batch[parquet]' for Parquet and zstd, s3fs or gcsfs for object storage."
            ) from None
        except Exception as error:  # noqa: BLE001 - every storage and format has errors of its own
            given = counted(self._given, "row")
            read = f"Its first {given} went out" if self._given else "Nothing of it is sent"
            begin = f"{self._name[0].upper()}{self._name[1:]}"
            raise InputError(
                f"{begin} cannot be read to its end ({type(error).__name__}). {read}; what came before it is "
                "finished and confirmed. See that the file is whole and within reach, and run again."
            ) from None

    def _first_bytes(self) -> bytes:
        with opened(self.uri) as file:
            found: bytes = file.read(max(map(len, PACKINGS)))
        return found

    def _text_lines(self, first: bytes) -> Iterator[bytes]:
        """Yield the lines of a text file with these first bytes, each within the limit for the input's."""
        if not first and self.uri.lower().endswith(PACKED_NAMES):
            raise EOFError
        packing = next((name for sign, name in PACKINGS.items() if first.startswith(sign)), None)
        if packing is not None and not self._is_whole(packing):
            return
        with opened(self.uri) as raw, unpacked(raw, packing) as file:
            for row in count(1):
                line = file.readline(LONGEST_LINE + 1)
                if len(line) > LONGEST_LINE:
                    raise InputError(
                        f"Line {row} of {self._name} is longer than {LONGEST_LINE // MIB} MiB, the bound of "
                        "its memory. What came before it is finished and confirmed; correct the file and "
                        "run again."
                    )
                if not line:
                    return
                if row % REPORT_EVERY == 0:
                    self._at(raw.tell())
                yield line

    def _is_whole(self, packing: str) -> bool:
        """Decompress the file to its end, keeping nothing; return False if `goes_on` ends that.

        A broken file can yield wrong bytes long before the checksum that follows them reveals it.
        """
        with opened(self.uri) as file, unpacked(file, packing) as stream:
            while self._goes_on():
                if not stream.read(CHUNK):
                    return True
        return False

    def _json_lines(self, first: bytes) -> Iterator[bytes]:
        for row, line in enumerate(self._text_lines(first), start=1):
            text = line.removeprefix(BOM).strip() if row == 1 else line.strip()
            if text and not text.startswith(b"{"):
                raise InputError(
                    f"Row {row} of {self._name} is not a JSON object. Files hold JSON lines (plain, gzip, "
                    "zstd, bzip2 or xz) or Parquet, recognised by their first bytes; `replay` takes CSV too, "
                    "where the name ends in .csv or .tsv."
                )
            if text:
                yield row_line(text)

    def _parquet(self) -> Iterator[bytes]:
        with opened(self.uri) as file:
            for rows in _parquet_rows(file):
                self._at(file.tell())
                for row in map(row_of, map(_plain, rows)):
                    if row.odd:
                        line = OddLine(row.line)
                        line.record = row.record
                        yield line
                    else:
                        yield row.line


def located(uri: str) -> str:
    """Resolve a `file:` URL, whose names may be percent-encoded or, as some taps write them, plain.

    A plain name that exists takes precedence. Other URLs and paths are returned as they are.
    """
    if not uri.startswith("file:"):
        return uri
    path = uri.removeprefix("file:").removeprefix("//")
    if path.startswith("localhost/"):
        path = path.removeprefix("localhost")
    return f"file://{path if Path(path).exists() else unquote(path)}"


def opened(uri: str) -> Any:
    """Return a context manager that opens a file at a path or URL, without decompressing it."""
    import fsspec  # noqa: PLC0415 - only those who read files pay for it

    return fsspec.open(located(uri), "rb")


def unpacked(file: IO[bytes], packing: str | None) -> IO[bytes]:
    """Return the decompressed stream of an open file.

    Raises:
        ImportError: the package that decompresses it is missing.
    """
    if packing == "zstd":
        import pyarrow as pa  # noqa: PLC0415 - an extra

        return io.BufferedReader(pa.CompressedInputStream(file, "zstd"), CHUNK)
    import fsspec  # noqa: PLC0415 - only those who read files pay for it

    stream: IO[bytes] = fsspec.compression.compr[packing](file, mode="rb")
    return stream


def _plain(value: Any) -> Any:
    """Convert values of Parquet that JSON lacks: dates and times to ISO text, bytes to the text they are."""
    if isinstance(value, dict):
        return {str(name): _plain(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    if isinstance(value, bytes):
        with suppress(UnicodeDecodeError):
            return value.decode()  # old writers store text as bytes
    if isinstance(value, timedelta | UUID):
        return msgspec.to_builtins(value)
    return value.isoformat() if hasattr(value, "isoformat") else value


def _parquet_rows(file: IO[bytes]) -> Iterator[list[dict[str, Any]]]:
    """Yield the rows of an open Parquet file in batches.

    Times are read to the microsecond. A value that no Python type can hold, such as a date after the
    year 9999, is read as text, and does not end the run.
    """
    import pyarrow as pa  # noqa: PLC0415 - an extra
    import pyarrow.parquet as pq  # noqa: PLC0415 - same

    reader = pq.ParquetFile(file, page_checksum_verification=True)
    schema = pa.schema([field.with_type(_in_micros(field.type)) for field in reader.schema_arrow])
    for found in reader.iter_batches(batch_size=PARQUET_ROWS):
        batch = found if found.schema.equals(schema) else found.cast(schema, safe=False)
        try:
            rows = batch.to_pylist()
        except (ValueError, ArithmeticError):  # pyarrow's own errors are ValueErrors too
            columns = [[_as_python(scalar) for scalar in column] for column in batch.columns]
            rows = [dict(zip(schema.names, row, strict=True)) for row in zip(*columns, strict=True)]
        yield rows


def _as_python(scalar: Any) -> Any:
    with suppress(ValueError, ArithmeticError):
        return scalar.as_py()
    with suppress(ValueError, ArithmeticError, NotImplementedError):
        return str(scalar.cast("string").as_py())
    return f"({scalar.type})"


def _in_micros(kind: Any) -> Any:
    """Return a type whose times are in microseconds, at any depth, instead of nanoseconds."""
    import pyarrow as pa  # noqa: PLC0415 - an extra
    from pyarrow import types  # noqa: PLC0415 - same

    if types.is_struct(kind):
        return pa.struct([field.with_type(_in_micros(field.type)) for field in kind])
    if types.is_map(kind):
        return pa.map_(_in_micros(kind.key_type), _in_micros(kind.item_type))
    if types.is_list(kind):
        return pa.list_(kind.value_field.with_type(_in_micros(kind.value_type)))
    if getattr(kind, "unit", None) != "ns":
        return kind
    if types.is_timestamp(kind):
        return pa.timestamp("us", kind.tz)
    return pa.duration("us") if types.is_duration(kind) else pa.time64("us")
