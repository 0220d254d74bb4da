"""Samples for `explain`, `init` and `verify`: Singer, rows of CSV or JSON Lines, a JSON schema or a catalog.

The format is recognised from the content.
"""

from __future__ import annotations

import gzip
import io
import re
from dataclasses import dataclass
from itertools import islice
from typing import IO, TYPE_CHECKING, Any, Final

import msgspec

from target_batch.common.errors import InputError
from target_batch.singer.messages import Message, RecordLine, record_line, row_in, row_line
from target_batch.singer.reader import BOM, LineReader
from target_batch.singer.rows import Table, schema_of, typed_columns

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


RECORDS: Final = 10_000
"""Number of records that the commands read by default."""

SINGER = re.compile(rb'"type"\s*:\s*"(SCHEMA|RECORD|STATE|ACTIVATE_VERSION|BATCH)"')
GZIP: Final = b"\x1f\x8b"
NO_TEXT: Final = {
    b"PK\x03\x04": "a ZIP archive or a workbook: give a file of it, or save the sheet as CSV in UTF-8",
    b"PAR1": "Parquet, which `replay` loads; give a sample of it as JSON Lines, CSV or Singer",
}
"""First bytes of a file that cannot be a sample → the end of the error message."""
ENDINGS = re.compile(r"(\.(gz|csv|tsv|txt|json|jsonl|ndjson|singer|schema))+$", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Schema:
    """The JSON schema of a stream; `inferred` if it was derived from rows."""

    stream: str
    schema: dict[str, Any]
    key_properties: tuple[str, ...] = ()
    inferred: bool = False


@dataclass(frozen=True, slots=True)
class SampleRow:
    """One row of a stream, and its line number in the input."""

    stream: str
    row: RecordLine
    line: int


class Source:
    """An input whose first non-blank line is known before it is read."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._first = b""
        while line := file.readline():
            self._first += line
            if line.strip(BOM + b" \t\r\n"):
                break
        self.first = line

    def read(self, size: int) -> bytes:
        """Return the next bytes as soon as some are available."""
        head, self._first = self._first, b""
        return head or getattr(self._file, "read1", self._file.read)(size)

    def peek_all(self) -> list[bytes]:
        """Return all lines, and keep them for reading."""
        kept = list(self.lines())
        self._first, self._file = b"", io.BytesIO(b"".join(kept))
        return kept

    def lines(self) -> Iterator[bytes]:
        """Yield every line."""
        yield from self._first.splitlines(keepends=True)
        yield from self._file


def _opened(file: IO[bytes]) -> IO[bytes]:
    """Return the file, decompressed if it is gzip.

    Raises:
        InputError: the file is not text.
    """
    peek = getattr(file, "peek", None)
    first = peek(4) if peek else b""
    for sign, what in NO_TEXT.items():
        if first.startswith(sign):
            raise InputError(f"The input is {what}.")
    return gzip.open(file, "rb") if first.startswith(GZIP) else file  # type: ignore[return-value]


def _stream_of(file: IO[bytes]) -> str | None:
    """Return the stream's name for a file of rows: its base name without endings; None for standard input."""
    name = getattr(file, "name", "-")
    if not isinstance(name, str) or name in {"-", "<stdin>"}:
        return None
    return ENDINGS.sub("", re.split(r"[/\\]", name)[-1])


def read_sample(
    file: IO[bytes], stream: str | None, most: int, take: Callable[[Schema | SampleRow], None]
) -> None:
    """Pass the schemas and at most `most` records of an input (0: all) to `take`.

    Rows belong to `stream`, or else to the stream that the file's name gives.

    Raises:
        InputError: the input cannot be read; the message contains line numbers but no values.
    """
    if stream is None:
        stream = _stream_of(file)
    source = Source(_opened(file))
    if not source.first:
        raise InputError("The input is empty. Give a Singer file, or rows of CSV or JSON Lines.")
    if SINGER.search(source.first):
        _read_singer(source, most, take)
    elif schemas := _described(source, stream):
        for schema in schemas:
            take(schema)
    elif stream:
        _read_rows(source, stream, most, take)
    else:
        raise InputError("Rows have no stream's name: give it with --stream, for example --stream users.")


def _described(source: Source, stream: str | None) -> list[Schema]:
    """Return the streams of a catalog, or the only one of a JSON schema; nothing for rows.

    Raises:
        InputError: the document is a catalog without a stream.
    """
    document = _document(source)
    if not isinstance(document, dict):
        return []
    if isinstance(document.get("streams"), list):
        found = list(_of_catalog(document["streams"]))
        if not found and document.keys() == {"streams"}:
            raise InputError(
                "The catalog describes no stream: none has a name and a schema with `properties`."
            )
        return found
    return [Schema(stream, document)] if stream and _is_schema(document) else []


def _document(source: Source) -> Any:
    """Decode the first line, or the whole input if it is one object on several lines; None if not JSON."""
    first = source.first.lstrip(BOM).strip()
    if not first.startswith(b"{"):
        return None
    try:
        return msgspec.json.decode(b"".join(source.peek_all()).lstrip(BOM) if first == b"{" else first)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


def _of_catalog(entries: list[Any]) -> Iterator[Schema]:
    for entry in entries:
        schema = entry.get("schema") if isinstance(entry, dict) else None
        if isinstance(schema, dict) and isinstance(schema.get("properties"), dict):
            name = entry.get("stream") or entry.get("tap_stream_id")
            keys = entry.get("key_properties") or _table_keys(entry.get("metadata"))
            if isinstance(name, str) and isinstance(keys, list):
                yield Schema(name, schema, tuple(key for key in keys if isinstance(key, str)))


def _table_keys(metadata: Any) -> Any:
    """Return the key properties from a catalog's metadata: the entry with an empty breadcrumb."""
    for part in metadata if isinstance(metadata, list) else ():
        if isinstance(part, dict) and part.get("breadcrumb") == []:
            of_stream = part.get("metadata")
            return (of_stream.get("table-key-properties") or []) if isinstance(of_stream, dict) else []
    return []


def _is_schema(document: dict[str, Any]) -> bool:
    """Return whether a document is a JSON schema, not a row or a Segment message that has `properties`."""
    kinds = document.get("type")
    is_of_objects = kinds == "object" or (isinstance(kinds, list) and "object" in kinds)
    return is_of_objects and isinstance(document.get("properties"), dict)


def _read_singer(source: Source, most: int, take: Callable[[Schema | SampleRow], None]) -> None:
    reader = LineReader()
    records = 0

    def schema(message: Message) -> None:
        if message.stream is None or not isinstance((message.schema or {}).get("properties"), dict):
            raise reader.incomplete("SCHEMA", "`stream`, `schema` with `properties`")
        take(Schema(message.stream, message.schema or {}, tuple(message.key_properties or ())))

    def record(message: Message) -> None:
        nonlocal records
        if message.stream is None or message.record is None:
            raise reader.incomplete("RECORD", "`stream` and `record`")
        row = RecordLine(message.record, reader.line, reader.odd)
        take(SampleRow(message.stream, row, reader.line_number))
        records += 1
        reader.stopped = records >= most > 0

    callbacks = {"SCHEMA": schema, "RECORD": record}
    reader.process_lines(source, callbacks)  # type: ignore[arg-type]


def _read_rows(source: Source, stream: str, most: int, take: Callable[[Schema | SampleRow], None]) -> None:
    is_json = source.first.lstrip(BOM + b" \t").startswith((b"{", b"["))
    rows = list(islice(_objects(source, stream), most or None) if is_json else _cells(source, stream, most))
    take(Schema(stream, schema_of([one.row.record for one in rows]), inferred=True))
    for row in rows:
        take(row)


def _cells(source: Source, stream: str, most: int) -> Iterator[SampleRow]:
    found = list(islice(Table(source.lines(), "the input"), most or None))
    for record, (_, line) in zip(typed_columns([cells for cells, _ in found]), found, strict=True):
        yield SampleRow(stream, RecordLine(record, record_line(record), odd=False), line)


def _objects(source: Source, stream: str) -> Iterator[SampleRow]:
    for number, line in enumerate(source.lines(), 1):
        text = line.removeprefix(BOM) if number == 1 else line
        if not text.strip():
            continue
        try:
            yield SampleRow(stream, row_in(row_line(text)), number)
        except (ValueError, msgspec.DecodeError):
            raise InputError(
                f"Line {number} of the input is not a JSON object. Rows are objects, one on each line; "
                "of an array, `jq -c '.[]'` makes such lines."
            ) from None
